"""What is due in the simulated world, in order: at an instant, or when the belt gets somewhere."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

from edge.simulate.world.motion import BeltMotion

Action = Callable[[int], None]
"""Called with the instant it was due at."""

_Entry = tuple[float, int, Action]  # instant or position, sequence


class EventQueue:
    """Actions in the order of (instant, sequence of entry); `instant` is that of the latest one."""

    def __init__(self) -> None:
        self.instant = 0
        self._sequence = count()
        self._by_instant: list[_Entry] = []
        self._by_position: dict[BeltMotion, list[_Entry]] = {}

    def at(self, instant: int, action: Action) -> None:
        """Do it at an instant."""
        heapq.heappush(self._by_instant, (instant, next(self._sequence), action))

    def when(self, motion: BeltMotion, position: float, action: Action) -> None:
        """Do it when the belt has moved to the position, however long that takes."""
        heapq.heappush(self._by_position.setdefault(motion, []), (position, next(self._sequence), action))

    def next_at(self) -> int | None:
        """Return the instant of the next action as things stand; None if nothing will ever be due."""
        first = self._first()
        return None if first is None else first[0]

    def run_due(self, now: int) -> None:
        """Do everything that is due by `now`, actions that they enter included."""
        while (first := self._first()) is not None and first[0] <= now:
            instant, _, heap = first
            action = heapq.heappop(heap)[2]
            self.instant = instant
            action(instant)

    def _first(self) -> tuple[int, int, list[_Entry]] | None:
        """Return instant and sequence of the next action, and the heap that it is on top of."""
        best: tuple[int, int, list[_Entry]] | None = None
        if self._by_instant:
            best = (round(self._by_instant[0][0]), self._by_instant[0][1], self._by_instant)
        for motion, heap in self._by_position.items():
            if heap and (instant := motion.instant_at(heap[0][0])) is not None:
                found = (instant, heap[0][1], heap)
                best = found if best is None or found[:2] < best[:2] else best
        return best
