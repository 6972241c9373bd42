"""Exit sensors: what was sent into a bin has to come by, else it is stuck on the way."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from edge.clock import ms
from edge.config import RESIDUAL
from edge.config.sorting import Bin
from edge.types import Actuation, Decision

# An item falls and slides from the diverter to the sensor for so long at most after its stroke has ended.
FALL_NS = ms(1500)
# So many in a row that did not come are a jam; a single one may have slipped past the sensor.
JAM_AFTER = 3
MOST_WAITING = 256


def watched_bins(bins: Mapping[str, Bin]) -> frozenset[str]:
    """Return the bins with an exit sensor."""
    return frozenset(name for name, where in bins.items() if where.exit_pin is not None)


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of one item that an exit sensor should have seen; `at` is None if it did not come."""

    item_id: int
    bin: str
    at: int | None


@dataclass
class Confirmations:
    """Holds the items sent into bins with an exit sensor against the edges of those sensors.

    `passed` may be called from the pins' own thread. `watched` are the bins with an exit sensor.
    """

    watched: frozenset[str]
    _expected: dict[str, deque[tuple[int, int, int]]] = field(default_factory=lambda: defaultdict(deque))
    _edges: deque[tuple[str, int]] = field(default_factory=lambda: deque(maxlen=MOST_WAITING))
    _missing: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def expect(self, decision: Decision, actuation: Actuation | None) -> None:
        """Wait for an item whose stroke was planned; residual items and bins without a sensor are not waited for."""
        if actuation is None or decision.bin == RESIDUAL or decision.bin not in self.watched:
            return
        with self._lock:
            waiting = self._expected[decision.bin]
            waiting.append((decision.item_id, actuation.fire_at, actuation.release_at + FALL_NS))
            if len(waiting) > MOST_WAITING:
                waiting.popleft()

    def wait_longer(self, span: int) -> None:
        """Give what is on its way some more nanoseconds: nobody was let run to take its edge in."""
        with self._lock:
            for name, waiting in self._expected.items():
                self._expected[name] = deque((item_id, begin, end + span) for item_id, begin, end in waiting)

    def cancel(self, item_ids: tuple[int, ...]) -> None:
        """Expect these items no longer, as their stroke was cancelled or refused."""
        with self._lock:
            for name, waiting in self._expected.items():
                self._expected[name] = deque(entry for entry in waiting if entry[0] not in item_ids)

    def abandon(self, now: int) -> list[Delivery]:
        """Expect nothing any longer; return what was fired and has not come, which counts towards no jam."""
        with self._lock:
            fired = [(name, entry) for name, waiting in self._expected.items() for entry in waiting if entry[1] <= now]
            self._expected.clear()
        return [Delivery(item_id, name, None) for name, (item_id, _, _) in fired]

    def passed(self, bin_name: str, at: int) -> None:
        """Take notice that something fell into a bin."""
        self._edges.append((bin_name, at))

    def settle(self, now: int) -> list[Delivery]:
        """Return what was confirmed since the last call, and what is overdue; each item once."""
        settled: list[Delivery] = []
        with self._lock:
            while self._edges:
                name, at = self._edges.popleft()
                waiting = self._expected[name]
                first = next((entry for entry in waiting if entry[1] <= at <= entry[2]), None)
                if first is not None:
                    waiting.remove(first)
                    self._missing[name] = 0
                    settled.append(Delivery(first[0], name, at))
            for name, waiting in self._expected.items():
                while waiting and waiting[0][2] < now:
                    item_id, _, _ = waiting.popleft()
                    self._missing[name] += 1
                    settled.append(Delivery(item_id, name, None))
        return settled

    def jammed(self) -> tuple[str, ...]:
        """Return the bins into which nothing came several times in a row."""
        return tuple(sorted(name for name, count in self._missing.items() if count >= JAM_AFTER))

    def cleared(self, bin_name: str) -> None:
        """Begin anew after somebody has cleared the way."""
        self._missing[bin_name] = 0
