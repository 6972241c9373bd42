"""Notices that the model is slower than it was, or too slow for what comes."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator
from statistics import median

from edge.clock import NS_PER_S
from edge.health.faults import FaultKind
from edge.health.monitors import Observer
from edge.line import Outcome, Transport
from edge.types import Frame, Reason

# Median of the running means at the latest items: heat doubles it, one that was interrupted does not.
SLOW = 2.0
LATEST = 9
WINDOW = 10
TOO_MANY = 5
# Nothing comes while the belt stands still, so it is let go on to see; `Health` makes the waits longer and longer.
TRY_AGAIN_NS = 10 * NS_PER_S


class InferenceLoadMonitor(Observer):
    """Follows what becomes of the items that the model should look at.

    `transport` knows what an inference takes; after an overload it is made to learn that anew.
    """

    kinds = frozenset({FaultKind.CLASSIFIER_SLOW, FaultKind.OVERLOADED})

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._model_works = True
        self._is_slow = self._has_to_relearn = False
        self._least_ns = float("inf")
        self._means: deque[float] = deque(maxlen=LATEST)
        self._missed: deque[bool] = deque(maxlen=WINDOW)
        self._overloaded_at: int | None = None

    def on_state(self, inhibited: bool, faults: Collection[FaultKind]) -> None:
        """A model that fails leaves items without an answer, but not for want of time."""
        self._model_works = FaultKind.CLASSIFIER_FAILED not in faults
        if not self._model_works:
            self._missed.clear()

    def on_frame(self, frame: Frame, now: int) -> None:
        if self._has_to_relearn:
            self._has_to_relearn = False
            self._transport.reset_budget()

    def on_outcome(self, outcome: Outcome, now: int) -> None:
        if outcome.item.reject_reason is not None or not outcome.item.crops or not self._model_works:
            return
        self._missed.append(outcome.prediction is None or outcome.decision.reason is Reason.LATE)
        self._means.append(self._transport.invoke_ns)
        if len(self._means) == LATEST:
            usual = median(self._means)
            self._least_ns = min(self._least_ns, usual)
            self._is_slow = usual > SLOW * self._least_ns
        if sum(self._missed) >= TOO_MANY:
            self._overloaded_at = now
            self._missed.clear()

    def faults(self, now: int) -> Iterator[tuple[FaultKind, str]]:
        if self._overloaded_at is not None and now - self._overloaded_at >= TRY_AGAIN_NS:
            self._overloaded_at = None
            self._has_to_relearn = True
        if self._is_slow:
            yield FaultKind.CLASSIFIER_SLOW, ""
        if self._overloaded_at is not None:
            yield FaultKind.OVERLOADED, ""
