"""The path of the data, in one place: frame -> items -> predictions -> decisions -> actuations.

No I/O of its own and no threads. What lies around it, from the camera's frame to schedule, journal and page, is
`edge/station/frame_intake.py`, on a Pi as on the simulator's virtual clock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from edge.errors import ClassifierError
from edge.interfaces import Classifier, Clock, Trigger
from edge.policy import Policy
from edge.transport.exit_sensors import Confirmations
from edge.types import Actuation, Decision, Frame, Item, Prediction


class Transport(Protocol):
    """Knows when an item is where: the belt of a conveyor, or the chute of a bin."""

    def budget(self, item: Item, waiting: int, now: int) -> int:
        """Return how many crops of the item may be looked at before its decision is due; 0: none."""
        ...

    def plan(self, item: Item, decision: Decision, now: int) -> tuple[Decision, Actuation | None]:
        """Return the decision as it can be carried out (late, busy: residual) and the stroke it needs, if any."""
        ...

    @property
    def invoke_ns(self) -> float:
        """What one inference takes, nanoseconds, as a running mean."""
        ...

    def reset_budget(self) -> None:
        """Forget how long an inference took: what made it slow may be over."""
        ...

    def invoked(self, duration_ns: int) -> None:
        """Learn how long one inference took, for later budgets."""
        ...

    @property
    def confirmations(self) -> Confirmations:
        """What exit sensors have to see."""
        ...

    def revise(self, now: int) -> Sequence[tuple[Actuation, Actuation | None]]:
        """Return the strokes that must change because the belt's speed did: (as planned, as it must be or None)."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that is known of one item when it has been decided.

    `is_watched`: it is to be diverted, and an exit sensor has to see it before it counts as sorted.
    """

    item: Item
    prediction: Prediction | None
    decision: Decision
    actuation: Actuation | None
    frame_age_ns: int
    is_watched: bool = False


def _raise(error: ClassifierError) -> None:
    raise error


@dataclass
class Line:
    """One sorter without its hardware; `on_failure` is told when the model fails, and the item goes to residual."""

    clock: Clock
    trigger: Trigger
    classifier: Classifier
    policy: Policy
    transport: Transport
    on_failure: Callable[[ClassifierError], None] = _raise

    def step(self, frame: Frame) -> Sequence[Outcome]:
        """Take one frame all the way through; exactly one Outcome for each item that it completes."""
        age = self.clock.now() - frame.captured_at
        items = self.trigger.observe(frame)
        frame.give_back()  # the items have copies of what the model is shown
        return [self._settle(item, len(items) - n, age) for n, item in enumerate(items)]

    def _settle(self, item: Item, waiting: int, frame_age_ns: int) -> Outcome:
        prediction = self._predict(item, waiting)
        decision = self.policy.decide(item, prediction, self.clock.now())
        decision, actuation = self.transport.plan(item, decision, self.clock.now())
        is_watched = actuation is not None and decision.bin in self.transport.confirmations.watched
        return Outcome(item, prediction, decision, actuation, frame_age_ns, is_watched)

    def _predict(self, item: Item, waiting: int) -> Prediction | None:
        if item.reject_reason is not None or not item.crops:
            return None
        budget = self.transport.budget(item, waiting, self.clock.now())
        if budget < 1:
            return None
        began_at = self.clock.now()
        try:
            prediction = self.classifier.classify(item.crops, budget)
        except ClassifierError as error:
            self.on_failure(error)
            return None
        self.transport.invoked((self.clock.now() - began_at) // prediction.crops_used)
        return prediction
