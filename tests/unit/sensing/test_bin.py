"""A bin station: what is put down and left alone is an item; hands, light and what is taken away are not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import pytest
from support.stations import BIN, make_station

from edge.clock import NS_PER_S
from edge.config import Station
from edge.sensing import build_trigger
from edge.sensing.blobs import Blob
from edge.sensing.stillness import joined
from edge.types import Frame, Image, Item, Reason

WIDTH, HEIGHT, RATE = 320, 240, 15


def station(settle_ms: float = 300) -> Station:
    return make_station(BIN, camera={"width": WIDTH, "height": HEIGHT}, sensing={"settle_ms": settle_ms})


@dataclass(frozen=True)
class Put:
    """A thing that lies somewhere for a while, seconds; a hand brings it and takes it away from above."""

    x: int
    y: int
    since: float
    until: float = 1e9
    width: int = 60
    height: int = 50
    colour: tuple[int, int, int] = (190, 60, 50)
    hand: bool = True


def place(things: Sequence[Put], seconds: float, light: Callable[[float], float] = lambda s: 1.0) -> Iterator[Frame]:
    """Give the frames of a place on which things are put."""
    rng = np.random.default_rng(3)
    ground = (140 + 12 * np.sin(np.arange(WIDTH) / 40)[None, :, None] + np.zeros((HEIGHT, WIDTH, 3))).astype(np.float32)
    noise = rng.normal(0, 1.5, (HEIGHT + 8, WIDTH + 8, 3)).astype(np.float32)
    for number in range(int(seconds * RATE)):
        at = number / RATE
        picture = ground.copy()
        for thing in things:
            if thing.since <= at < thing.until:
                picture[thing.y : thing.y + thing.height, thing.x : thing.x + thing.width] = thing.colour
            for moment in (thing.since, thing.until):
                if thing.hand and abs(at - moment) < 0.8:
                    _draw_hand(picture, thing, at - moment)
        y, x = rng.integers(0, 8, 2)
        picture = picture * light(at) + noise[y : y + HEIGHT, x : x + WIDTH]
        yield Frame(np.clip(picture, 0, 255).astype(np.uint8), NS_PER_S + round(at * NS_PER_S), number)


def _draw_hand(picture: np.ndarray[tuple[int, ...], np.dtype[np.float32]], thing: Put, away: float) -> None:
    """An arm from the upper edge that reaches down to the thing, half a second before and after."""
    reach = max(0, int((thing.y + thing.height / 2) * (1 - abs(away) / 0.8)))
    middle = thing.x + thing.width // 2 + int(10 * away)
    picture[:reach, max(0, middle - 22) : middle + 22] = (205, 150, 120)


def watch(frames: Iterator[Frame], settle_ms: float = 300) -> list[Item]:
    trigger = build_trigger(station(settle_ms), None)
    return [item for frame in frames for item in trigger.observe(frame)]


def seconds(item: Item) -> float:
    return (item.crossed_at - NS_PER_S) / NS_PER_S


def test_an_item_put_down_by_a_hand_is_one_item_where_it_lies() -> None:
    (item,) = watch(place([Put(100, 120, 2.0)], 6.0))
    assert 2.0 < seconds(item) < 3.8
    assert item.reject_reason is None
    box = item.crops[0].in_frame
    assert abs(box.centre[0] - 130) < 5
    assert abs(box.centre[1] - 145) < 5


def test_an_item_taken_away_is_none() -> None:
    assert len(watch(place([Put(100, 120, 2.0, until=5.0)], 9.0))) == 1


def test_what_lies_there_from_the_start_is_part_of_the_place() -> None:
    assert watch(place([Put(100, 120, -5.0, until=4.0)], 8.0)) == []


def test_the_same_place_again_counts_again() -> None:
    things = [Put(100, 120, 2.0, until=5.0), Put(100, 120, 8.0)]
    assert len(watch(place(things, 12.0))) == 2


def test_two_at_once_are_two_that_cannot_be_dropped_one_by_one() -> None:
    things = [Put(40, 120, 2.0), Put(220, 130, 2.1, colour=(40, 80, 200))]
    items = watch(place(things, 6.0))
    assert [item.reject_reason for item in items] == [Reason.TOO_CLOSE] * 2
    assert sorted(round(item.crops[0].in_frame.centre[0], -1) for item in items) == [70, 250]


def test_nothing_is_decided_while_a_hand_is_in_the_picture() -> None:
    """The second thing's hand comes in before the first one has been looked at: they belong to one visit."""
    things = [Put(40, 120, 2.0), Put(220, 130, 3.4, colour=(40, 80, 200))]
    items = watch(place(things, 8.0))
    assert [item.reject_reason for item in items] == [Reason.TOO_CLOSE] * 2
    assert min(seconds(item) for item in items) > 3.4


def test_what_is_taken_away_at_once_is_none() -> None:
    assert watch(place([Put(100, 120, 2.0, until=2.6)], 6.0)) == []


def test_a_thing_in_the_place_of_another_counts_although_the_place_was_never_empty_at_rest() -> None:
    things = [Put(100, 120, 2.0, until=5.0), Put(104, 124, 5.1, colour=(60, 160, 70), width=50)]
    assert [item.reject_reason for item in watch(place(things, 9.0))] == [None, None]


def test_a_thing_that_stays_is_not_counted_again_when_another_is_put_beside_it() -> None:
    things = [Put(40, 120, 2.0), Put(220, 130, 6.0, colour=(40, 80, 200))]
    items = watch(place(things, 10.0))
    assert [item.reject_reason for item in items] == [None, None]
    assert [round(item.crops[0].in_frame.centre[0], -1) for item in items] == [70, 250]


def test_nothing_is_looked_at_while_the_plate_moves_and_what_is_left_counts_anew() -> None:
    frames = list(place([Put(100, 120, 2.0, hand=False)], 8.0))
    stroke = range(NS_PER_S * 5, NS_PER_S * 6)
    trigger = build_trigger(station(), None, lambda at: at in stroke)
    items = [item for frame in frames for item in trigger.observe(frame)]
    assert [at in stroke for at in (item.crossed_at for item in items)] == [False, False]
    assert items[0].crossed_at < stroke.start < stroke.stop < items[1].crossed_at


def test_a_thing_of_the_colour_of_the_place_and_darker_is_no_shadow() -> None:
    tint = np.array([1.0, 0.75, 0.5])
    grey = place([Put(100, 120, 2.0, colour=(95, 95, 95))], 6.0)
    (item,) = watch(Frame((f.pixels * tint).astype(np.uint8), f.captured_at, f.sequence) for f in grey)
    assert item.reject_reason is None
    assert abs(item.crops[0].in_frame.centre[0] - 130) < 5


@pytest.mark.parametrize("depth", [0.15, 0.3, 0.5])
def test_a_shadow_that_stays_is_no_item(depth: float) -> None:
    mask = np.zeros((HEIGHT, WIDTH), np.float32)
    mask[80:180, 90:200] = depth
    light = (1 - cv2.GaussianBlur(mask, (0, 0), 9.0))[:, :, None]

    def frames() -> Iterator[Frame]:
        for frame in place([], 8.0):
            shaded = frame.captured_at > 4 * NS_PER_S
            yield Frame((frame.pixels * light).astype(np.uint8) if shaded else frame.pixels, frame.captured_at, 0)

    assert watch(frames()) == []


@pytest.mark.parametrize(
    ("left", "area", "doubt"), [(20.0, 40.0, False), (20.0, 200.0, True), (32.0, 40.0, True), (36.0, 40.0, None)]
)
def test_a_small_part_in_a_things_box_is_its_own_and_beside_it_nobody_can_tell(
    left: float, area: float, doubt: bool | None
) -> None:
    found = joined([Blob(10, 10, 30, 30, 300), Blob(left, 12, left + 12, 24, area)])
    assert [blob.touching for blob in found] == ([False] * 2 if doubt is None else [doubt])


def test_a_hand_that_brings_nothing_is_no_item() -> None:
    nothing = Put(100, 120, 2.0, until=2.0)
    assert watch(place([nothing, Put(180, 100, 4.0, until=4.0)], 8.0)) == []


def test_nothing_for_a_long_time_gives_nothing() -> None:
    assert watch(place([], 40.0)) == []


def test_light_that_changes_slowly_or_at_once_is_no_item() -> None:
    assert watch(place([], 12.0, light=lambda s: 1.0 - 0.03 * s)) == []
    assert watch(place([], 8.0, light=lambda s: 1.35 if s > 4 else 1.0)) == []


def test_an_item_is_found_after_the_light_has_changed() -> None:
    assert len(watch(place([Put(100, 120, 6.0)], 10.0, light=lambda s: 0.7 if s > 3 else 1.0))) == 1


def textured(width: int, height: int) -> Image:
    rng = np.random.default_rng(9)
    coarse = rng.integers(20, 235, (height // 16, width // 16, 3))
    return np.repeat(np.repeat(coarse, 16, axis=0), 16, axis=1).astype(np.uint8)


def test_an_item_larger_than_the_view_is_one_and_its_taking_away_none() -> None:
    box = textured(WIDTH, HEIGHT)

    def frames() -> Iterator[Frame]:
        for frame in place([], 16.0):
            at = frame.captured_at / NS_PER_S - 1
            yield Frame(box, frame.captured_at, frame.sequence) if 3 < at < 9 else frame

    (item,) = watch(frames())
    assert item.reject_reason is Reason.TOO_LARGE


def test_the_settling_time_is_a_setting() -> None:
    early, late = (seconds(watch(place([Put(100, 120, 2.0, hand=False)], 7.0), settle)[0]) for settle in (200, 1500))
    assert late - early > 1.0
