"""What is tried against a fault, how long to wait between tries, and when to try the bigger step."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from edge.clock import NS_PER_S
from edge.health.faults import SPECS, FaultKind, FaultSpec, RecoveryAction

FaultKey = tuple[FaultKind, str]
"""Kind and detail of a fault."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits in nanoseconds: the first, doubled with each try, never longer than the longest."""

    first: int = 1 * NS_PER_S
    longest: int = 60 * NS_PER_S
    reset_time: int = 120 * NS_PER_S  # a fault that stays away this long has its waits start anew

    def wait(self, tries: int) -> int:
        """Return the wait before the try with that number, counted from 0."""
        return min(self.first << min(tries, 32), self.longest)


@dataclass(slots=True)
class RetryState:
    """What was tried against one kind of fault; outlives the fault, so that one that comes and goes escalates."""

    backoff: Backoff
    raised: int = 0
    tries: int = 0
    due_at: int = 0
    cleared_at: int | None = None

    def on_raised(self, at: int) -> None:
        """The fault is there (again)."""
        self.raised += 1
        if self.cleared_at is not None or self.raised == 1:
            self.due_at = at + self.backoff.wait(self.tries)
        self.cleared_at = None

    @property
    def hold_off(self) -> int:
        """How long it stays reported after it went: 0 at first, longer each time it comes back, bounded."""
        return 0 if self.raised <= 1 else self.backoff.wait(self.raised - 2)

    def is_forgotten(self, at: int) -> bool:
        """Say whether the fault stayed away long enough to forget it."""
        return self.cleared_at is not None and at - self.cleared_at >= self.backoff.reset_time

    def next_action(self, spec: FaultSpec, at: int) -> RecoveryAction | None:
        """Return the step to take now, counting it as taken; None when none is due."""
        if spec.action is None or at < self.due_at:
            return None
        step = RecoveryAction.RESTART_SERVICE if spec.restarts and self.tries >= spec.tries else spec.action
        self.tries += 1
        self.due_at = at + self.backoff.wait(self.tries)
        return step


class RetryPlanner:
    """Knows what was tried against each fault; a fault that comes and goes escalates.

    Attributes:
        counts: how often each recovery step was due since the start.
    """

    def __init__(self, backoff: Backoff) -> None:
        self.counts: Counter[RecoveryAction] = Counter()
        self.backoff = backoff
        self._states: dict[FaultKey, RetryState] = {}

    def on_raised(self, key: FaultKey, at: int) -> None:
        """The fault is there (again)."""
        self._states.setdefault(key, RetryState(self.backoff)).on_raised(at)

    def on_cleared(self, key: FaultKey, at: int) -> None:
        """The fault is gone."""
        self._states[key].cleared_at = at

    def hold_off(self, key: FaultKey) -> int:
        """Return how long the fault stays reported after it went, nanoseconds."""
        return self._states[key].hold_off

    def forget_old(self, at: int) -> None:
        """Forget the faults that stayed away long enough."""
        self._states = {key: state for key, state in self._states.items() if not state.is_forgotten(at)}

    def next_action(self, key: FaultKey, at: int) -> tuple[RecoveryAction, int] | None:
        """Return the step against the fault that is due, and the how manyth try it is; each is returned once."""
        state = self._states[key]
        step = state.next_action(SPECS[key[0]], at)
        if step is None:
            return None
        self.counts[step] += 1
        return step, state.tries
