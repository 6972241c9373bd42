"""A polished rail beside the belt shows each item twice; neighbours side by side are two."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.moving_belt import HEIGHT, WIDTH, MovingBelt, Rail, Thing, conveyor

from edge.sensing import build_trigger
from edge.tools.count.count import count_items
from edge.transport import BeltModel
from edge.types import Item

RAIL = Rail(at=170)
COLOURS = [(200, 170, 120), (40, 60, 190), (225, 225, 215), (30, 150, 70), (190, 40, 30), (20, 20, 20)]


def watch(belt: MovingBelt, seconds: float) -> list[Item]:
    trigger = build_trigger(conveyor(belt.speed), BeltModel(belt.speed))
    return [item for frame in belt.frames(seconds) for item in trigger.observe(frame)]


def two_coloured(enters: float, across: float = 130.0) -> list[Thing]:
    """One thing whose upper and lower half differ, so that it shows which way up it is."""
    upper = Thing(enters, across=across - 8, width=16, length=44, colour=(230, 225, 210))
    return [upper, replace(upper, across=across + 8, colour=(190, 40, 40))]


@pytest.mark.parametrize("gain", [0.35, 0.5, 0.65])
def test_an_item_and_its_image_in_a_rail_are_one(gain: float) -> None:
    things = [thing for n in range(3) for thing in two_coloured(0.2 + 0.7 * n)]
    items = watch(MovingBelt(things, rail=replace(RAIL, gain=gain)), 4.0)
    assert len(items) == 3
    assert all(
        item.crops[0].in_frame.y + item.crops[0].in_frame.height <= RAIL.at for item in items
    )  # the item, not its image
    assert all(item.gap_behind_mm > 50 for item in items[:2])  # an image is no neighbour either


@pytest.mark.parametrize(("apart_s", "taken_for_items"), [(0.7, 0), (2.0, 1)])
def test_plain_things_look_the_same_turned_over_so_it_is_the_second_pair_that_proves_the_rail(
    apart_s: float, taken_for_items: int
) -> None:
    things = [Thing(0.2 + apart_s * n, across=140, colour=COLOURS[n]) for n in range(3)]
    seconds = 2.2 + apart_s * 3
    assert len(watch(MovingBelt(things), seconds)) == 3
    assert len(watch(MovingBelt(things, rail=RAIL), seconds)) == 3 + taken_for_items


def test_a_clip_is_counted_with_the_rail_known_from_its_first_item_on(tmp_path: Path) -> None:
    belt = MovingBelt([Thing(0.2 + 2.0 * n, across=140, colour=COLOURS[n]) for n in range(3)], rail=RAIL)
    for frame in belt.frames(6.5):
        cv2.imwrite(str(tmp_path / f"{frame.sequence:04}.png"), frame.pixels[:, :, ::-1])
    camera = {"type": "folder", "path": str(tmp_path), "width": WIDTH, "height": HEIGHT, "frames_per_s": 30.0}
    seen: list[int] = []
    station = conveyor(belt.speed, camera=camera)
    assert len(count_items(station).items) == 3
    assert len(count_items(station, lambda frame, sightings, found: seen.extend(i.item_id for i in found)).items) == 3
    assert seen == [1, 2, 3]


def test_an_item_far_from_the_rail_has_no_image_and_is_counted() -> None:
    near = [thing for n in range(2) for thing in two_coloured(0.2 + 1.4 * n)]
    far = [Thing(0.9 + 1.4 * n, across=40) for n in range(2)]
    assert len(watch(MovingBelt([*near, *far], rail=RAIL), 5.0)) == 4


SHAPES = st.tuples(st.integers(24, 60), st.integers(24, 60), st.sampled_from(COLOURS))


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(SHAPES, SHAPES, st.floats(0, 0.12))
def test_no_neighbour_side_by_side_is_taken_for_an_image(
    one: tuple[int, int, tuple[int, int, int]], other: tuple[int, int, tuple[int, int, int]], behind: float
) -> None:
    things = [
        Thing(0.2 + enters, across=across, length=shape[0], width=shape[1], colour=shape[2])
        for shape, across, enters in ((one, 60, 0.0), (other, HEIGHT - 60, behind))
    ]
    assert len(watch(MovingBelt(things), 2.6)) == 2


@pytest.mark.parametrize("brightness", [1.0, 0.85])
def test_twins_fed_side_by_side_again_and_again_are_all_counted(brightness: float) -> None:
    """Two lanes that a feeder fills in step, under light that falls off to one side."""
    dimmer = tuple(round(100 + brightness * (value - 100)) for value in COLOURS[0])
    things = [
        Thing(0.2 + 0.7 * n, across=across, colour=colour)
        for n in range(4)
        for across, colour in ((70, COLOURS[0]), (170, dimmer))
    ]
    assert len(watch(MovingBelt(things), 5.0)) == 8
