"""Where the belt is at any instant."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from edge.clock import NS_PER_S


@dataclass(frozen=True, slots=True)
class Segment:
    """From `at` on, the belt moves at `speed` mm/s, starting at `position` mm."""

    at: int
    position: float
    speed: float


class BeltMotion:
    """Position in millimetres, piecewise linear in time; it never runs backwards."""

    def __init__(self, start: int, speed: float) -> None:
        self._segments = [Segment(start, 0.0, speed)]
        self._starts = [start]

    @property
    def speed(self) -> float:
        """The latest speed, mm/s."""
        return self._segments[-1].speed

    def set_speed(self, at: int, speed: float) -> None:
        """Change the speed from `at` on, which must not lie before the last change."""
        if at < self._starts[-1]:
            raise ValueError(f"expected an instant >= {self._starts[-1]}, got {at}")
        if speed < 0:
            raise ValueError(f"expected a speed >= 0, got {speed}")
        if speed != self.speed:
            self._segments.append(Segment(at, self.position(at), speed))
            self._starts.append(at)

    def speed_at(self, at: int) -> float:
        """Return the speed at an instant, mm/s."""
        return self._segment(at).speed

    def position(self, at: int) -> float:
        """Return how far the belt has moved by `at`, mm; negative before the start."""
        segment = self._segment(at)
        return segment.position + (at - segment.at) / NS_PER_S * segment.speed

    def instant_at(self, position: float) -> int | None:
        """Return the instant at which the belt has just moved that far; None while it would never get there."""
        for n in range(len(self._segments) - 1, -1, -1):
            segment = self._segments[n]
            if segment.position <= position and segment.speed > 0:
                instant = segment.at + round((position - segment.position) / segment.speed * NS_PER_S)
                later = self._starts[n + 1] if n + 1 < len(self._starts) else None
                return instant if later is None or instant <= later else None
            if segment.position < position:
                return None  # it stands still, short of the position
        first = self._segments[0]
        if first.speed <= 0:
            return first.at  # it has been past that place from the start
        return first.at + round((position - first.position) / first.speed * NS_PER_S)

    def _segment(self, at: int) -> Segment:
        return self._segments[max(0, bisect_right(self._starts, at) - 1)]
