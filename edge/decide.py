"""From a prediction to a bin, or to residual with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edge.config import RESIDUAL, Station
from edge.types import Decision, Item, Prediction, Reason


@dataclass
class Policy:
    """When an item is sure enough for its bin, and which bins take items at the moment.

    `min_scores` holds a threshold for each label. `unavailable` maps the bins that take nothing
    now (full, disabled) to the reason; `held` says that nothing may be fired. The runtime changes both.
    """

    station: Station
    min_scores: Mapping[str, float]
    min_margin: float
    unavailable: dict[str, Reason] = field(default_factory=dict)
    held: bool = False

    def decide(self, item: Item, prediction: Prediction | None, now: int) -> Decision:
        """Return where the item goes as far as the model and the bins are concerned."""
        reason = self._reason(item, prediction)
        bin_name = RESIDUAL
        if reason is Reason.SORTED and prediction is not None:
            bin_name = self.station.route(prediction.label).name
        return Decision(
            item_id=item.item_id,
            bin=bin_name,
            reason=reason,
            decided_at=now,
            label="" if prediction is None else prediction.label,
            score=0.0 if prediction is None else prediction.score,
            margin=0.0 if prediction is None else prediction.margin,
        )

    def _reason(self, item: Item, prediction: Prediction | None) -> Reason:
        if item.concern is not None:
            return item.concern
        if prediction is None:
            return Reason.NOT_CLASSIFIED
        where = self.station.route(prediction.label)
        if where.name == RESIDUAL:
            return Reason.RESIDUAL_LABEL
        if prediction.score < self.min_scores.get(prediction.label, 1.0) or prediction.margin < self.min_margin:
            return Reason.UNSURE
        if not where.enabled:
            return Reason.BIN_DISABLED
        if self.held:
            return Reason.HELD
        return self.unavailable.get(where.name, Reason.SORTED)
