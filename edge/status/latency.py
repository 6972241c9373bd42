"""How long things took (percentiles of the latest durations, buckets and sum of all), and how fast they follow each other."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from edge.clock import NS_PER_S, ms

WINDOW_NS = 60 * NS_PER_S
MOST_IN_WINDOW = 10_000


@dataclass(frozen=True, slots=True)
class Latency:
    """Durations in nanoseconds: percentiles of the latest ones, buckets and sum of all.

    `buckets` pairs an upper bound in seconds with the number of durations up to it.
    """

    median: int = 0
    p99: int = 0
    worst: int = 0
    count: int = 0
    total: int = 0
    buckets: tuple[tuple[float, int], ...] = ()


class Durations:
    """Collects durations: the latest for percentiles, all of them in buckets."""

    BOUNDS_S = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)

    def __init__(self) -> None:
        self._latest: deque[int] = deque(maxlen=512)
        self._buckets = [0] * len(self.BOUNDS_S)
        self._count = 0
        self._total = 0

    def add(self, duration: int) -> None:
        self._latest.append(duration)
        self._count += 1
        self._total += duration
        for n, bound in enumerate(self.BOUNDS_S):
            self._buckets[n] += duration <= bound * NS_PER_S

    def latency(self) -> Latency:
        ordered = sorted(self._latest)
        if not ordered:
            return Latency(buckets=tuple((bound, 0) for bound in self.BOUNDS_S))
        return Latency(
            median=ordered[len(ordered) // 2],
            p99=ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)],
            worst=ordered[-1],
            count=self._count,
            total=self._total,
            buckets=tuple(zip(self.BOUNDS_S, self._buckets, strict=True)),
        )


class Pace:
    """How many items came within the last minute; within the time since `started_at` if that is shorter."""

    def __init__(self, started_at: int) -> None:
        self._started_at = started_at
        self._came: deque[int] = deque(maxlen=MOST_IN_WINDOW)

    def add(self, at: int) -> None:
        """An item came at that instant."""
        self._came.append(at)

    def per_min(self, now: int) -> float:
        """Return items a minute."""
        while self._came and self._came[0] <= now - WINDOW_NS:
            self._came.popleft()
        window = min(WINDOW_NS, max(now - self._started_at, ms(5000)))
        return len(self._came) * WINDOW_NS / window
