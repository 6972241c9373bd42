"""Which photos show one and the same item."""

from __future__ import annotations

import numpy as np

from edge.bundle.memory import NONE
from edge.teaching.lessons import Lessons, group_items


def apart(count: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 200, (count, 64)).astype(np.uint8)


def test_photos_of_different_things_are_different_items() -> None:
    assert len(set(group_items(apart(20), np.zeros(20, np.int64), [""] * 20))) == 20


def test_near_duplicates_of_one_label_are_one_item() -> None:
    codes = apart(20)
    again = np.clip(codes[:3].astype(int) + np.random.default_rng(2).integers(-4, 5, (3, 64)), 0, 255).astype(np.uint8)
    items = group_items(np.vstack([codes, again]), np.zeros(23, np.int64), [""] * 23)
    assert items[20:].tolist() == items[:3].tolist()
    assert len(set(items)) == 20


def test_near_duplicates_of_two_labels_stay_two_items() -> None:
    codes = apart(20)
    items = group_items(np.vstack([codes, codes[:1]]), np.append(np.zeros(20, np.int64), 1), [""] * 21)
    assert items[20] != items[0]


def test_what_all_photos_of_a_place_share_makes_none_of_them_alike() -> None:
    ground = np.full(64, 50, np.uint8)
    codes = np.clip(ground + np.random.default_rng(4).integers(0, 12, (20, 64)), 0, 255).astype(np.uint8)
    assert len(set(group_items(codes, np.zeros(20, np.int64), [""] * 20))) == 20


def test_photos_that_are_said_to_show_one_item_do() -> None:
    given = ["a", "b", "a", ""] + [""] * 6
    items = group_items(apart(10), np.array([0, 0, 0, 0, 1, 1, 1, NONE, NONE, NONE]), given)
    assert items[0] == items[2]
    assert len(set(items)) == 9


def test_items_and_photos_of_a_label_are_counted() -> None:
    lessons = Lessons(apart(4), ("paper", "glass"), np.array([0, 0, 0, NONE]), np.array([0, 0, 1, 2]))
    assert (lessons.count(0), lessons.count(1), lessons.count(NONE)) == ((2, 3), (0, 0), (1, 1))


def views(of: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Pictures of one thing, a little noise apart."""
    noise = np.random.default_rng(seed).normal(0, 6, (count, len(of)))
    return np.clip(np.rint(of + noise), 0, 255).astype(np.uint8)


def test_pictures_of_one_thing_are_one_item_though_they_are_all_that_is_known_of_its_label() -> None:
    things = apart(12)
    codes = np.vstack([things[:11], views(things[11], 10, 3)])
    items = group_items(codes, np.repeat([0, 1], [11, 10]), [""] * 21)
    assert len(set(items[:11])) == 11
    assert len(set(items[11:])) == 1


def test_where_one_label_alone_is_taught_another_place_tells_what_is_alike() -> None:
    things = apart(30)
    codes = views(things[0], 10, 4)
    assert len(set(group_items(codes, np.zeros(10, np.int64), [""] * 10, things[10:]))) == 1
    assert len(set(group_items(things[:10], np.zeros(10, np.int64), [""] * 10, things[10:]))) == 10


def test_byte_for_byte_the_same_pictures_are_one_item() -> None:
    codes = np.vstack([apart(6), np.repeat(apart(1, 9), 10, axis=0)])
    assert len(set(group_items(codes, np.repeat([0, 1], [6, 10]), [""] * 16))) == 7
