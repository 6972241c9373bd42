"""The way from a bin station's view into its bins: a flap, a carousel or lids, at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from edge.clock import ms
from edge.config import RESIDUAL
from edge.config.actuators import ActuatorSettings
from edge.config.sorting import Bin
from edge.transport.budget import InferenceBudget
from edge.transport.exit_sensors import Confirmations, watched_bins
from edge.types import Actuation, Decision, Item, Reason

# From planning a stroke to the actuation thread taking it up.
NOTICE_NS = ms(2)


@dataclass
class DirectDrop:
    """One item at a time: the stroke begins as soon as it is decided, and the next one waits for its end.

    A residual bin with an actuator of its own gets its items like any other bin. `bins` and `actuators` are by name.
    """

    bins: Mapping[str, Bin]
    actuators: Mapping[str, ActuatorSettings]
    pace: InferenceBudget
    max_crops: int
    confirmations: Confirmations = field(init=False)
    _busy_until: int = 0

    def __post_init__(self) -> None:
        self.confirmations = Confirmations(watched_bins(self.bins))

    def budget(self, item: Item, waiting: int, now: int) -> int:
        """Return how many crops may be looked at: nothing moves, so all that the settings allow."""
        return self.max_crops

    @property
    def invoke_ns(self) -> float:
        """What one inference takes, as a running mean."""
        return self.pace.invoke_ns

    def reset_budget(self) -> None:
        """Forget how long an inference took: what made it slow may be over."""
        self.pace.reset_budget()

    def invoked(self, duration_ns: int) -> None:
        """Learn how long one inference took."""
        self.pace.invoked(duration_ns)

    def revise(self, now: int) -> list[tuple[Actuation, Actuation | None]]:
        """Return nothing: an item in a chute does not wait for a belt."""
        return []

    def is_moving(self, at: int) -> bool:
        """Whether a stroke is under way at an instant: what is seen then is the flap, or what it drops."""
        return at < self._busy_until

    def plan(self, item: Item, decision: Decision, now: int) -> tuple[Decision, Actuation | None]:
        """Return the decision and its stroke; an item that came with another one still being dropped goes with it."""
        if decision.reason is not Reason.HELD and now < self._busy_until:
            decision = replace(decision, bin=RESIDUAL, reason=Reason.DIVERTER_BUSY)
            return decision, None
        where = self.bins[decision.bin]
        if where.actuator is None or decision.reason is Reason.HELD:
            return decision, None
        actuator = self.actuators[where.actuator]
        fire_at = now + NOTICE_NS
        release_at = fire_at + min(ms(actuator.lead_ms + where.dwell_ms), ms(actuator.max_on_ms))
        self._busy_until = release_at + ms(actuator.return_ms)
        stroke = Actuation(actuator.name, fire_at, max(release_at, fire_at + ms(1)), (item.item_id,), where.position)
        self.confirmations.expect(decision, stroke)
        return decision, stroke
