"""Notices that the model is slower than it was, or too slow for what comes."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from statistics import median

from edge.clock import NS_PER_S
from edge.health.faults import FaultKind
from edge.health.health import Health
from edge.line import Outcome
from edge.types import Reason

# Median of the running means at the latest items: heat doubles it, one that was interrupted does not.
SLOW = 2.0
LATEST = 9
WINDOW = 10
TOO_MANY = 5
# Nothing comes while the belt stands still, so it is let go on to see; `Health` makes the waits longer and longer.
TRY_AGAIN_NS = 10 * NS_PER_S


@dataclass
class Overload:
    """Follows what becomes of the items that the model should look at; `relearn` asks for its pace to be forgotten."""

    health: Health
    relearn: bool = field(default=False, init=False)
    _least_ns: float = field(default=float("inf"), init=False)
    _means: deque[float] = field(default_factory=lambda: deque(maxlen=LATEST), init=False)
    _missed: deque[bool] = field(default_factory=lambda: deque(maxlen=WINDOW), init=False)
    _overloaded_at: int | None = field(default=None, init=False)

    def note(self, outcome: Outcome, invoke_ns: float, now: int) -> None:
        """Take note of a decided item; `invoke_ns` is the running mean of an inference."""
        if outcome.item.concern is not None or not outcome.item.crops:
            return
        self._missed.append(outcome.prediction is None or outcome.decision.reason is Reason.LATE)
        self._means.append(invoke_ns)
        if len(self._means) == LATEST:
            usual = median(self._means)
            self._least_ns = min(self._least_ns, usual)
            slow = usual > SLOW * self._least_ns
            self.health.set_faults(
                frozenset({FaultKind.CLASSIFIER_SLOW}), frozenset({FaultKind.CLASSIFIER_SLOW} if slow else ()), now
            )
        if sum(self._missed) >= TOO_MANY:
            self._overloaded_at = now
            self._missed.clear()
            self.health.raise_fault(FaultKind.OVERLOADED, now)

    def watch(self, now: int) -> None:
        """Let the station try again after a while."""
        if self._overloaded_at is not None and now - self._overloaded_at >= TRY_AGAIN_NS:
            self._overloaded_at = None
            self.relearn = True
            self.health.clear_fault(FaultKind.OVERLOADED, now)
