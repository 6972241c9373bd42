"""Which faults are there now: raised, ended, and kept a while longer where they come and go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from edge.health.events import HealthEvents
from edge.health.faults import Fault, FaultKind, RecoveryAction
from edge.health.retry import FaultKey, RetryPlanner
from edge.types import EventKind


class FaultRegistry:
    """The faults of one station by kind and detail; belongs to whoever holds the lock of its `Health`.

    Attributes:
        counts: how often each kind was raised since the start.
    """

    def __init__(self, retries: RetryPlanner, events: HealthEvents) -> None:
        self.counts: Counter[FaultKind] = Counter()
        self._retries, self._events = retries, events
        self._there: dict[FaultKey, Fault] = {}
        self._clearing: dict[FaultKey, int] = {}

    @property
    def there(self) -> Sequence[Fault]:
        """In the order in which they were raised."""
        return list(self._there.values())

    def find(self, kind: FaultKind, detail: str) -> Fault | None:
        return self._there.get((kind, detail))

    def has(self, kind: FaultKind) -> bool:
        """Say whether one of this kind is there, whatever its detail."""
        return any(key[0] is kind for key in self._there)

    def add(self, kind: FaultKind, at: int, detail: str) -> bool:
        """Take a fault in; False, and no event, where it is known or has not quite left."""
        key = (kind, detail)
        came_back = self._clearing.pop(key, None) is not None
        if key in self._there and not came_back:
            return False
        self.counts[kind] += 1
        self._retries.on_raised(key, at)
        if key in self._there:
            return False
        self._there[key] = fault = Fault(kind, at, detail)
        self._events.raised(fault)
        return True

    def clear(self, kind: FaultKind, at: int, keep: Collection[str] = (), only: str | None = None) -> bool:
        """End those of a kind, but for the details to keep; or only the one with that detail. Return whether one is gone.

        One that came back lately stays a while longer, so that a loose contact does not flap.
        """
        before = len(self._there)
        for key in [key for key in self._there if key[0] is kind and key[1] not in keep and only in (None, key[1])]:
            hold_off = self._retries.hold_off(key)
            if hold_off:
                self._clearing.setdefault(key, at + hold_off)
            else:
                self._remove(key, at)
        return len(self._there) < before

    def reset(self, kinds: Collection[FaultKind], at: int) -> None:
        """End all of these kinds at once, as a person says."""
        for key in [key for key in self._there if key[0] in kinds]:
            self._events.person(EventKind.RESET, f"A person's reset ends: {key[0]}.", at)
            self._remove(key, at)

    def let_leave(self, at: int) -> None:
        """End those whose while longer is over."""
        for key in [key for key, gone_at in self._clearing.items() if at >= gone_at]:
            self._remove(key, at)

    def due_actions(self, at: int) -> Sequence[tuple[FaultKind, RecoveryAction]]:
        """Return the recovery steps that are due, each once."""
        due = []
        for kind, detail in self._there:
            found = self._retries.next_action((kind, detail), at)
            if found is not None:
                step, tries = found
                due.append((kind, step))
                self._events.tried(kind, step, tries, at)
        return due

    def _remove(self, key: FaultKey, at: int) -> None:
        self._clearing.pop(key, None)
        self._retries.on_cleared(key, at)
        self._events.cleared(self._there.pop(key), at)
