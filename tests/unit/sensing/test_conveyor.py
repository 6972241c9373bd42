"""Finding and following on a drawn belt: each thing becomes exactly one Item, placed by the frame's own instant."""

from __future__ import annotations

import numpy as np
import pytest
from support.moving_belt import HEIGHT, START, WIDTH, MovingBelt, Thing, conveyor, stop_and_go

from edge.clock import NS_PER_MS, NS_PER_S
from edge.sensing import ConveyorTrigger, build_trigger
from edge.transport import BeltModel
from edge.types import Frame, Item, Reason


def watch(scene: MovingBelt, seconds: float, **changes: object) -> list[Item]:
    trigger = new_trigger(scene.speed, **changes)
    return [item for frame in scene.frames(seconds) for item in trigger.observe(frame)]


def new_trigger(speed: float = 200.0, **changes: object) -> ConveyorTrigger:
    return build_trigger(conveyor(speed, **changes), BeltModel(speed))


def test_an_empty_belt_gives_nothing() -> None:
    assert watch(MovingBelt([], texture=6.0), 4.0) == []


def test_items_are_counted_in_order_with_instant_speed_and_length() -> None:
    belt = MovingBelt([Thing(0.2), Thing(0.8, across=60, length=60), Thing(1.6, across=180, length=25)])
    items = watch(belt, 4.0)
    assert [item.item_id for item in items] == [1, 2, 3]
    for item, thing in zip(items, belt.things, strict=True):
        assert abs(item.crossed_at - belt.crossing(thing)) < 6 * NS_PER_MS  # 1.2 mm
        assert item.speed_mm_per_s == pytest.approx(200, rel=0.03)
        assert item.length_mm == pytest.approx(thing.length, abs=6)
        assert item.reject_reason is None


def test_crops_are_whole_views_of_the_item_best_first() -> None:
    belt = MovingBelt([Thing(0.2, length=50, width=40)])
    (item,) = watch(belt, 3.0)
    assert len(item.crops) == 3
    for crop in item.crops:
        assert 48 <= crop.in_frame.width <= 64
        assert 38 <= crop.in_frame.height <= 52
        assert crop.in_frame.x > 0
        assert crop.in_frame.x + crop.in_frame.width < WIDTH
        assert crop.captured_at <= item.crossed_at + NS_PER_S // 30
        assert crop.pixels.size < 3 * WIDTH * HEIGHT / 2  # no frame is held


@pytest.mark.parametrize("direction", ["right", "left", "down", "up"])
def test_every_direction_counts_alike(direction: str) -> None:
    belt = MovingBelt([Thing(0.2), Thing(1.0, across=80)])
    turns = {"right": 0, "up": 1, "left": 2, "down": 3}[direction]
    size = {"width": WIDTH, "height": HEIGHT} if turns % 2 == 0 else {"width": HEIGHT, "height": WIDTH}
    trigger = new_trigger(belt={"direction": direction}, camera={"type": "folder", "path": ".", **size})
    items = []
    for frame in belt.frames(3.0):
        turned = np.ascontiguousarray(np.rot90(frame.pixels, turns))
        items += trigger.observe(Frame(turned, frame.captured_at, frame.sequence))
    assert len(items) == 2
    assert all(
        abs(item.crossed_at - belt.crossing(thing)) < 10 * NS_PER_MS
        for item, thing in zip(items, belt.things, strict=True)
    )


def test_lanes_are_numbered_from_the_top_and_side_by_side_items_are_two() -> None:
    belt = MovingBelt([Thing(0.2, across=60), Thing(0.25, across=180)])
    items = watch(belt, 3.0, belt={"lanes": 2})
    assert sorted(item.lane for item in items) == [0, 1]


def test_shadows_of_any_depth_up_to_half_are_not_items() -> None:
    shadows = [Thing(0.2 + 0.7 * n, shade=shade, length=60, width=60) for n, shade in enumerate((0.9, 0.75, 0.6, 0.5))]
    assert watch(MovingBelt(shadows, brightness=140), 4.5) == []


@pytest.mark.parametrize("direction", ["right", "up"])
def test_a_thing_darker_than_the_belt_and_of_its_colour_is_no_shadow(direction: str) -> None:
    belt = MovingBelt(
        [Thing(0.2 + n, colour=(95 - 10 * n,) * 3, length=50, width=50) for n in range(3)], brightness=140
    )
    turns, tint = {"right": 0, "up": 1}[direction], np.array([1.0, 0.75, 0.5])
    size = {"width": WIDTH, "height": HEIGHT} if turns % 2 == 0 else {"width": HEIGHT, "height": WIDTH}
    trigger = new_trigger(belt={"direction": direction}, camera={"type": "folder", "path": ".", **size})
    items = []
    for frame in belt.frames(5.0):
        items += trigger.observe(
            Frame((np.rot90(frame.pixels, turns) * tint).astype(np.uint8), frame.captured_at, frame.sequence)
        )
    assert [item.reject_reason for item in items] == [None] * 3


def test_a_joint_of_the_belt_is_not_an_item() -> None:
    belt = MovingBelt([])
    strip = belt.picture(0.0)
    surface = np.concatenate([strip, strip, strip], axis=1)
    for x in (100, 500, 700):
        surface[:, x : x + 6] = np.clip(surface[:, x : x + 6].astype(int) + 10, 0, 255)
        surface[:, x + 6 : x + 9] = np.clip(surface[:, x + 6 : x + 9].astype(int) - 12, 0, 255)
    assert watch(MovingBelt([], surface=surface), 5.0) == []


@pytest.mark.parametrize("factor", [1.4, 0.7])
def test_an_exposure_step_neither_adds_nor_loses_items(factor: float) -> None:
    belt = MovingBelt([Thing(0.2), Thing(1.0), Thing(1.8), Thing(2.6)], gain=lambda s: factor if s > 1.7 else 1.0)
    assert len(watch(belt, 5.0)) == 4


def test_slow_light_is_followed() -> None:
    belt = MovingBelt([Thing(9.0)], gain=lambda s: 1.0 + 0.05 * s, brightness=80)
    items = watch(belt, 11.0)
    assert len(items) == 1


def test_items_in_view_at_the_start_leave_no_ghosts() -> None:
    # One is before the line already, one beyond it; two more come.
    belt = MovingBelt([Thing(-0.5), Thing(-1.3, across=60), Thing(0.6), Thing(1.4)])
    items = watch(belt, 4.5)
    assert len(items) == 3
    expected = [belt.crossing(thing) for thing in (belt.things[0], belt.things[2], belt.things[3])]
    assert all(abs(item.crossed_at - at) < 12 * NS_PER_MS for item, at in zip(items, expected, strict=True))


def test_the_belt_is_learnt_while_items_pass_all_the_time() -> None:
    things = [Thing(0.4 * n - 1.2, across=120 + 40 * (-1) ** n, length=45) for n in range(20)]
    belt = MovingBelt(things)
    items = watch(belt, 10.0)
    crossing_after_start = [thing for thing in things if belt.crossing(thing) > START]
    assert len(items) == len(crossing_after_start)


def test_a_stopped_belt_keeps_its_items_and_counts_each_once() -> None:
    things = [Thing(0.2), Thing(0.6, across=80), Thing(1.0)]
    belt = MovingBelt(things, position=stop_and_go(200, 1.3, 4.3))
    model = BeltModel(200)
    trigger = build_trigger(conveyor(200), model)
    stopped = []
    items = []
    for frame in belt.frames(8.0):
        items += trigger.observe(frame)
        if model.speed(frame.captured_at) == 0:
            stopped.append((frame.captured_at - START) / NS_PER_S)
    assert len(items) == 3
    # The model of the belt knew of the stop, within 0.3 s of its beginning and of its end.
    assert min(stopped) == pytest.approx(1.3, abs=0.3)
    assert max(stopped) == pytest.approx(4.3, abs=0.3)


def test_dropped_frames_lose_no_item() -> None:
    belt = MovingBelt([Thing(0.2), Thing(1.2), Thing(2.2)])
    trigger = new_trigger()
    items = []
    for frame in belt.frames(5.0):
        seconds = (frame.captured_at - START) / NS_PER_S
        if not 1.0 < seconds < 1.5 and not 2.9 < seconds < 3.4:
            items += trigger.observe(frame)
    assert len(items) == 3
    assert all(
        abs(item.crossed_at - belt.crossing(thing)) < 15 * NS_PER_MS
        for item, thing in zip(items, belt.things, strict=True)
    )


def test_how_old_a_frame_is_when_it_is_seen_changes_nothing() -> None:
    """Only the exposure instant counts: the trigger is not even told the time."""
    belt = MovingBelt([Thing(0.2), Thing(1.0)])
    assert [i.crossed_at for i in watch(belt, 3.0)] == [i.crossed_at for i in watch(MovingBelt(belt.things), 3.0)]


def test_a_frame_overtaken_by_a_newer_one_is_left_out() -> None:
    frames = list(MovingBelt([Thing(0.2), Thing(1.0)]).frames(3.0))
    frames[20], frames[21] = frames[21], frames[20]
    trigger = new_trigger()
    assert sum(len(trigger.observe(frame)) for frame in frames) == 2


def test_an_item_longer_than_the_view_is_one_and_too_large() -> None:
    items = watch(MovingBelt([Thing(0.2, length=500, width=80), Thing(3.6)]), 6.0)
    assert [item.reject_reason for item in items] == [Reason.TOO_LARGE, None]


def test_an_object_that_never_moves_is_no_item() -> None:
    class Stuck(MovingBelt):
        def picture(self, seconds: float) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
            picture = super().picture(seconds)
            if seconds > 0.5:
                picture[40:80, 100:150] = (230, 40, 40)
            return picture

    assert len(watch(Stuck([Thing(0.2, across=180), Thing(1.5, across=180)]), 5.0)) == 2


def test_two_items_that_touch_at_a_corner_are_taken_apart() -> None:
    belt = MovingBelt(
        [Thing(0.2, across=80, length=50, width=44), Thing(0.2 + 47 / 200, across=122, length=50, width=44)]
    )
    assert len(watch(belt, 3.0)) == 2


def test_two_items_grown_together_are_one_that_nobody_can_tell() -> None:
    belt = MovingBelt(
        [Thing(0.2, across=80, length=60, width=44), Thing(0.2 + 42 / 200, across=112, length=60, width=44)]
    )
    (item,) = watch(belt, 3.0)
    assert item.reject_reason is Reason.TOUCHING


def test_the_gap_to_the_next_item_is_measured() -> None:
    belt = MovingBelt([Thing(0.2, length=40), Thing(0.2 + 60 / 200, length=40), Thing(2.0)])
    items = watch(belt, 4.0)
    assert items[0].gap_behind_mm == pytest.approx(20, abs=5)
    assert items[1].gap_behind_mm == float("inf")


@pytest.mark.parametrize("direction", ["end to end", "side by side"])
def test_two_that_touch_without_a_waist_are_too_long_for_one(direction: str) -> None:
    ends = direction == "end to end"
    pair = Thing(0.2, length=120 if ends else 30, width=36 if ends else 110)
    longest = {"largest_item_mm": 80.0}
    assert [item.reject_reason for item in watch(MovingBelt([pair]), 3.0)] == [None]
    assert [item.reject_reason for item in watch(MovingBelt([pair]), 3.0, sensing=longest)] == [Reason.TOUCHING]


def test_an_item_as_long_as_the_longest_is_one_thing_however_it_lies() -> None:
    belt = MovingBelt([Thing(0.2, length=80, width=30), Thing(1.2, length=60, width=60)])
    items = watch(belt, 4.0, sensing={"largest_item_mm": 80.0})
    assert [item.reject_reason for item in items] == [None, None]
