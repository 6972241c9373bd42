"""A beam across the belt beside the camera: exact places, and items that the camera can't see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from edge.clock import NS_PER_S, ms
from edge.interfaces import Sighting
from edge.sensing import BeamTrigger
from edge.transport import BeltModel
from edge.types import Frame, Item

START, SPEED, DISTANCE = NS_PER_S, 200.0, 50.0
PICTURE = np.zeros((8, 8, 3), np.uint8)


@dataclass
class Camera:
    """A trigger that gives prepared items with the first frame after they crossed."""

    items: list[Item] = field(default_factory=list)

    def observe(self, frame: Frame) -> Sequence[Item]:
        ready = [item for item in self.items if item.crossed_at <= frame.captured_at]
        self.items = [item for item in self.items if item not in ready]
        return ready

    def sightings(self) -> Sequence[Sighting]:
        return []


def instant(milliseconds: float) -> int:
    return START + ms(milliseconds)


def run(trigger: BeamTrigger, edges: list[tuple[float, bool]], until_ms: float = 3000) -> list[Item]:
    """Feed the edges (ms, broken) as they come, and a frame every 33 ms."""
    items: list[Item] = []
    waiting = sorted(edges)
    for number in range(int(until_ms / 33)):
        while waiting and waiting[0][0] <= number * 33:
            at, broken = waiting.pop(0)
            trigger.edge(instant(at), broken)
        items += trigger.observe(Frame(PICTURE, instant(number * 33), number))
    return items


def passing(crossed_ms: float, length: float) -> list[tuple[float, bool]]:
    """Edges of an item of that length which crosses the line at that instant."""
    middle = crossed_ms - DISTANCE / SPEED * 1000
    half = length / 2 / SPEED * 1000
    return [(middle - half, True), (middle + half, False)]


def test_the_beam_says_exactly_when_and_how_long() -> None:
    camera = Camera([Item(1, instant(1012), (), length_mm=44)])
    (item,) = run(BeamTrigger(camera, BeltModel(SPEED), DISTANCE), passing(1000, 40))
    assert abs(item.crossed_at - instant(1000)) < 1000
    assert item.length_mm == pytest.approx(40, abs=0.01)


def test_an_item_that_only_the_beam_saw_is_an_item_without_pictures() -> None:
    (item,) = run(BeamTrigger(Camera(), BeltModel(SPEED), DISTANCE), passing(1000, 40))
    assert item.crops == ()
    assert abs(item.crossed_at - instant(1000)) < 1000


def test_both_together_are_counted_once_and_in_order() -> None:
    camera = Camera([Item(1, instant(1000), (), length_mm=40), Item(2, instant(2400), (), length_mm=40)])
    edges = passing(1000, 40) + passing(1700, 30) + passing(2400, 40)
    items = run(BeamTrigger(camera, BeltModel(SPEED), DISTANCE), edges, 5000)
    assert sorted(item.item_id for item in items) == [1, 2, 3]
    assert sorted(round((item.crossed_at - START) / 1e6) for item in items) == [1000, 1700, 2400]


def test_a_sensor_after_the_line_does_not_count_again() -> None:
    camera = Camera([Item(1, instant(1000), (), length_mm=40)])
    edges = [(at + 500, broken) for at, broken in passing(1000, 40)]
    trigger = BeamTrigger(camera, BeltModel(SPEED), DISTANCE - 100)
    assert len(run(trigger, edges)) == 1


def test_a_flicker_of_the_beam_is_no_item() -> None:
    trigger = BeamTrigger(Camera(), BeltModel(SPEED), DISTANCE)
    assert run(trigger, [(500, True), (505, False), (600, False), (700, True), (702, True), (712, False)]) == []
