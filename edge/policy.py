"""From a prediction to a bin, or to residual with the reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from edge.config import RESIDUAL
from edge.config.sorting import Bin
from edge.types import Confidence, Decision, Item, Prediction, Reason


@dataclass
class Policy:
    """When an item is sure enough for its bin, and which bins take items at the moment.

    `bins` are all of a station, the residual one among them. `min_scores` holds a threshold for each label; they change
    with the model.
    """

    bins: Sequence[Bin]
    min_scores: Mapping[str, float]
    min_margin: float
    _unavailable: Mapping[str, Reason] = field(default_factory=dict, init=False)
    _held: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._residual = next(where for where in self.bins if where.name == RESIDUAL)
        self._homes = {label: where for where in self.bins for label in where.labels}

    def use_thresholds(self, min_scores: Mapping[str, float]) -> None:
        """Ask for at least these scores, by label, from the next item on."""
        self.min_scores = min_scores

    def restrict(self, *, inhibited: bool, full: Iterable[str]) -> None:
        """From the next item on fire nothing where everything is held, and send nothing into full bins."""
        self._held = inhibited
        self._unavailable = dict.fromkeys(full, Reason.BIN_FULL)

    def decide(self, item: Item, prediction: Prediction | None, now: int) -> Decision:
        """Return where the item goes as far as the model and the bins are concerned."""
        where, reason, confidence = self._choose(item, prediction)
        return Decision(
            item_id=item.item_id,
            bin=where.name if reason is Reason.SORTED else RESIDUAL,
            reason=reason,
            decided_at=now,
            label="" if prediction is None else prediction.label,
            score=0.0 if prediction is None else prediction.score,
            margin=0.0 if prediction is None else prediction.margin,
            confidence=confidence,
        )

    def _choose(self, item: Item, prediction: Prediction | None) -> tuple[Bin, Reason, Confidence | None]:
        residual = self._residual
        if item.reject_reason is not None:
            return residual, item.reject_reason, None
        if prediction is None:
            return residual, Reason.NOT_CLASSIFIED, None
        if prediction.is_unknown:
            return residual, Reason.UNKNOWN, None
        where = self._homes.get(prediction.label, residual)
        if where.name == RESIDUAL:
            return residual, Reason.RESIDUAL_LABEL, None
        confidence = self._confidence(where, prediction)
        if not confidence.is_enough:
            return residual, Reason.UNSURE, confidence
        return where, self._hindrance(where), confidence

    def _confidence(self, where: Bin, prediction: Prediction) -> Confidence:
        chances = self._chances(prediction)
        others = [chance for name, chance in chances.items() if name != where.name]
        chance = chances[where.name]
        margin = chance - max(others, default=0.0)
        return Confidence(chance, self._needed(where, prediction.label), margin, self.min_margin)

    def _chances(self, prediction: Prediction) -> dict[str, float]:
        """Return for each bin the probability that the item belongs in it: labels of one bin need no telling apart."""
        chances = {where.name: 0.0 for where in self.bins}
        for label, score in zip(prediction.labels, prediction.scores, strict=True):
            chances[self._homes.get(label, self._residual).name] += score
        return chances

    def _needed(self, where: Bin, label: str) -> float:
        """Return the least probability: the bin's own purity, as every item at least that likely keeps it, or the model's."""
        return self.min_scores.get(label, 1.0) if where.min_purity is None else where.min_purity

    def _hindrance(self, where: Bin) -> Reason:
        if self._held:
            return Reason.HELD
        if not where.enabled:
            return Reason.BIN_DISABLED
        return self._unavailable.get(where.name, Reason.SORTED)
