"""How fast the belt goes in the picture, from the things on it."""

from __future__ import annotations

from collections import deque
from statistics import median

from edge.clock import NS_PER_S, ms
from edge.transport.belt import BeltModel

# The speed is taken over this time, and a stop is noticed within the other.
FLOW_NS, STOP_NS = ms(400), ms(200)
LEAST_STEPS = 4
# Slower than this share of its usual speed and the belt stands still.
STANDING = 0.15


class BeltSpeedEstimator:
    """The belt's speed in small pixels per second, and word to the belt model of whether it moves at all."""

    def __init__(self, belt: BeltModel, mm: float) -> None:
        """`mm` are the millimetres of a small pixel along the belt."""
        self._belt = belt
        self._mm = mm
        # Instants, and how far the belt had come by then.
        self._ways: deque[tuple[int, float]] = deque()
        self.speed = self.usual
        self.moved_at = 0

    @property
    def usual(self) -> float:
        """The belt's speed where nothing was measured yet."""
        return (self._belt.measured_speed or self._belt.nominal_speed) / self._mm

    def note(self, steps: list[float], at: int) -> None:
        """Take in how far things went since the last frame; none if nothing that moves was followed."""
        if not steps:
            self._ways.clear()  # how far the belt goes while nothing is followed is not known: it would look stopped
            if at - self.moved_at > NS_PER_S:
                self.speed = self.usual
            return
        self._ways.append((at, (self._ways[-1][1] if self._ways else 0.0) + median(steps)))
        while at - self._ways[0][0] > FLOW_NS:
            self._ways.popleft()
        if len(self._ways) < LEAST_STEPS:
            return
        self.speed = self._since(self._ways[0])
        recent = next(entry for entry in self._ways if at - entry[0] <= STOP_NS)
        if at - recent[0] >= STOP_NS // 2:
            moving = self._since(recent) > STANDING * self.usual
            self._belt.seen_moving(at, moving=moving)
            self.moved_at = at if moving else self.moved_at

    def _since(self, entry: tuple[int, float]) -> float:
        at, way = self._ways[-1]
        return (way - entry[1]) / (at - entry[0]) * NS_PER_S
