"""A beam-break or proximity sensor across the belt, beside the camera or in its stead.

Its edges carry instants of their own, exact to a fraction of a millimetre of belt: where a beam and the camera saw
the same item, the beam says when it crossed and how long it is. An item that only the beam saw (black on a black
belt) becomes an Item without a picture, so that it is counted and goes to residual.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from edge.interfaces import Sighting, Trigger
from edge.transport.belt import BeltModel
from edge.types import Frame, Item

# The camera and the beam mean the same item if their places differ by no more than half its length and this, mm.
SLACK_MM = 15.0
# How far beyond the decision line an item may be before one that only the beam saw is given up by the camera, mm.
# The camera says so with the first frame after the crossing, which may be some frames old.
WAIT_MM = 120.0
# Shorter interruptions are no item, mm.
LEAST_MM = 3.0
MOST_EDGES = 1024


@dataclass(frozen=True, slots=True)
class _Pass:
    """One interruption of the beam, in positions of the belt, mm, at which its middle meets the decision line."""

    centre: float
    length: float


class BeamTrigger:
    """Satisfies Trigger: the camera's items, placed by the beam, and those that only the beam saw.

    `distance_mm` is from the sensor to the decision line; negative if the sensor comes after it.
    """

    def __init__(self, inner: Trigger, belt: BeltModel, distance_mm: float) -> None:
        self._inner = inner
        self._belt = belt
        self._distance = distance_mm
        self._edges: deque[tuple[int, bool]] = deque(maxlen=MOST_EDGES)
        self._began: float | None = None
        self._passes: deque[_Pass] = deque(maxlen=MOST_EDGES)
        self._seen: deque[tuple[float, float]] = deque(maxlen=64)
        self._next_item = 1

    def edge(self, at: int, broken: bool) -> None:
        """Take an edge of the sensor in; may be called from the pins' own thread."""
        self._edges.append((at, broken))

    def observe(self, frame: Frame) -> Sequence[Item]:
        """Take the next frame in; return the items that crossed the line, in the order in which they crossed."""
        found = [self._place(item) for item in self._inner.observe(frame)]
        self._take_edges()
        found = [self._refine(item, frame.captured_at) for item in found]
        found += self._only_beam(frame.captured_at)
        items = []
        for item in sorted(found, key=lambda item: item.crossed_at):
            items.append(replace(item, item_id=self._next_item))
            self._next_item += 1
        return items

    def sightings(self) -> Sequence[Sighting]:
        """Return what the camera follows in the newest frame."""
        return self._inner.sightings()

    def _place(self, item: Item) -> Item:
        self._seen.append((self._belt.position(item.crossed_at), item.length_mm))
        return item

    def _take_edges(self) -> None:
        while self._edges:
            at, broken = self._edges.popleft()
            position = self._belt.position(at)
            if broken:
                self._began = position if self._began is None else self._began
            elif self._began is not None:
                length = position - self._began
                if length >= LEAST_MM:
                    self._passes.append(_Pass(self._began + length / 2 + self._distance, length))
                self._began = None

    def _refine(self, item: Item, now: int) -> Item:
        """Return the item at the place that the beam gives it, if it saw it."""
        centre = self._belt.position(item.crossed_at)
        near = [p for p in self._passes if abs(p.centre - centre) <= item.length_mm / 2 + SLACK_MM]
        if not near:
            return item
        best = min(near, key=lambda p: abs(p.centre - centre))
        self._passes.remove(best)
        crossed_at = self._belt.arrival(best.centre, now)
        return item if crossed_at is None else replace(item, crossed_at=min(crossed_at, now), length_mm=best.length)

    def _only_beam(self, now: int) -> list[Item]:
        """Return items for the interruptions that the camera did not account for in time."""
        here = self._belt.position(now)
        items = []
        for one in [p for p in self._passes if here - p.centre > WAIT_MM]:
            self._passes.remove(one)
            seen = any(
                abs(one.centre - centre) <= (length + one.length) / 2 + SLACK_MM for centre, length in self._seen
            )
            crossed_at = self._belt.arrival(one.centre, now)
            if not seen and crossed_at is not None:
                speed = self._belt.speed(now)
                items.append(Item(0, crossed_at, (), length_mm=one.length, speed_mm_per_s=speed))
        return items
