"""What scores are worth in a place, item by item: how many are right, and from which score on they are sure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.bundle.memory import NONE
from edge.system.statistics import (
    LEAST_SCORE,
    NEVER,
    Threshold,
    fit_temperature,
    fit_threshold,
    log_softmax,
    surely,
    wilson_interval,
)

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
FEWEST_TO_FIT_TEMPERATURE = 30


@dataclass(frozen=True, eq=False)
class Items:
    """What was found of each item over all its photos: label (items,), score (items,), and what it truly is (items,).

    The score of what is unknown is 0: no threshold lets it through.
    """

    found: Indices
    sure: Floats
    truth: Indices

    @property
    def right(self) -> NDArray[np.bool_]:
        return np.asarray(self.found == self.truth)


@dataclass(frozen=True)
class Share:
    """A share of items, and between what it lies with 95 % certainty; `low` 0 and `high` 1 where there are none."""

    right: int
    count: int

    @property
    def value(self) -> float:
        return self.right / self.count if self.count else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        return wilson_interval(self.right, self.count)


@dataclass(frozen=True)
class Figures:
    """Of the items of one label, or of all: how many are named rightly, and what the thresholds let through.

    `purity` counts right ones among those let through as that label, `recovery` those among the label's own items.
    """

    top1: Share
    purity: Share
    recovery: Share


def by_item(logits: Floats, strange: Floats, truth: Indices, items: Indices, temperature: float) -> Items:
    """Fuse logits (photos, labels) and strangeness (photos,) of an item's photos as a station fuses its looks: by their mean."""
    log = log_softmax(logits, temperature)
    numbers, where = np.unique(items, return_inverse=True)
    counts = np.bincount(where)
    mean = np.stack([np.bincount(where, log[:, label]) / counts for label in range(log.shape[1])], axis=1)
    probabilities = np.exp(log_softmax(mean))
    is_unknown = np.bincount(where, np.where(np.isfinite(strange), strange, -1.0)) > 0
    first = np.array([np.flatnonzero(where == number)[0] for number in range(len(numbers))], np.int64)
    sure = np.where(is_unknown, 0.0, probabilities.max(axis=1))
    return Items(probabilities.argmax(axis=1), sure, truth[first])


def temperature_of(logits: Floats, truth: Indices, otherwise: float) -> float:
    """Fit the temperature on photos of known labels, where there are enough of them."""
    known = truth != NONE
    return fit_temperature(logits[known], truth[known]) if known.sum() >= FEWEST_TO_FIT_TEMPERATURE else otherwise


def place_thresholds(items: Items, labels: int, purity: float) -> list[tuple[Threshold, bool]]:
    """Return for each label its threshold, and whether it is its own.

    A label of which too few items are there to show the purity gets the score from which on items of all labels together
    have it, unless its own items speak against that: then it keeps its own, which comes nearest to it.
    """
    everything = fit_threshold(items.sure, items.right, purity)
    chosen = []
    for label in range(labels):
        mine = items.found == label
        own = fit_threshold(items.sure[mine], items.right[mine], purity)
        if own.is_reached or not everything.is_reached:
            chosen.append((own, True))
            continue
        minimum = everything.minimum_score
        while (wrong := mine & (items.sure >= minimum) & ~items.right).any() and _speaks_against(
            items, mine, minimum, purity
        ):
            minimum = min(NEVER, float(items.sure[wrong].min()) + 1e-3)
        kept = mine & (items.sure >= minimum)
        chosen.append(
            (Threshold(max(minimum, LEAST_SCORE), int(kept.sum()), int((kept & items.right).sum()), True), False)
        )
    return chosen


def _speaks_against(items: Items, mine: NDArray[np.bool_], minimum: float, purity: float) -> bool:
    kept = mine & (items.sure >= minimum)
    return float(items.right[kept].mean()) < purity


def figures(items: Items, label: int | None, minimum: Sequence[float] | Floats) -> Figures:
    """The figures of one label, or with None of all, at the least scores (labels,)."""
    passed = items.sure >= np.asarray(minimum, np.float64)[items.found]
    own = items.truth != NONE if label is None else items.truth == label
    named = np.ones(len(items.found), bool) if label is None else items.found == label
    right, kept = items.right & own, passed & named
    return Figures(
        Share(int(right.sum()), int(own.sum())),
        Share(int((kept & items.right).sum()), int(kept.sum())),
        Share(int((right & passed).sum()), int(own.sum())),
    )


def as_minimum(thresholds: Sequence[tuple[Threshold, bool]], labels: Sequence[str]) -> Mapping[str, float]:
    """The least score of each label, up to the next thousandth."""
    return {
        label: min(NEVER, float(np.ceil(1000 * threshold.minimum_score) / 1000))
        for label, (threshold, _) in zip(labels, thresholds, strict=True)
    }


def certainly(share: Share) -> float:
    """What the share exceeds in four of five cases; 0 where there are no items."""
    return float(surely(share.right, share.count)) if share.count else 0.0
