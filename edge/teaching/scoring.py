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
    softmax,
    wilson_interval,
)

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Bools = NDArray[np.bool_]
FEWEST_TO_FIT_TEMPERATURE = 30
WORTH_OF_SCORES = 40
"""So many items weigh what scores promise of a purity, beside the items that are counted: ten to forty held it alike."""


@dataclass(frozen=True, eq=False)
class Items:
    """What was found of each item over all its photos: label (items,), score (items,), and what it truly is (items,).

    The score of what is unknown is 0: it is not named, and no threshold lets it through.
    """

    found: Indices
    sure: Floats
    truth: Indices

    @property
    def right(self) -> Bools:
        return np.asarray((self.found == self.truth) & (self.sure > 0))

    def part(self, mine: Bools) -> Items:
        """Some of the items."""
        return Items(self.found[mine], self.sure[mine], self.truth[mine])


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


@dataclass(frozen=True, eq=False)
class Fused:
    """Photos of each item together: the mean of their logits (items, labels) and strangeness (items,), and the label (items,).

    A station decides from the mean of its looks' log-probabilities: that is the softmax of the mean of their logits.
    """

    logits: Floats
    strange: Floats
    truth: Indices

    def at(self, temperature: float) -> Items:
        """What is found at a temperature."""
        probabilities = softmax(self.logits, temperature)
        sure = np.where(self.strange > 0, 0.0, probabilities.max(axis=1))
        return Items(probabilities.argmax(axis=1), sure, self.truth)


def by_item(logits: Floats, strange: Floats, truth: Indices, items: Indices) -> Fused:
    """Fuse logits (photos, labels) and strangeness (photos,) of the photos of each item (photos,)."""
    _, first, where = np.unique(items, return_index=True, return_inverse=True)
    counts = np.bincount(where)
    mean = np.stack([np.bincount(where, column) / counts for column in logits.T], axis=1)
    strangeness = np.bincount(where, np.where(np.isfinite(strange), strange, -1.0)) / counts
    return Fused(mean, strangeness, truth[first])


def temperature_of(logits: Floats, truth: Indices, otherwise: float) -> float:
    """Fit the temperature on items of known labels, where there are enough of them.

    The true labels are smoothed as for as many items and two more (Platt, 1999): where all are right, they are not surer
    than so many can be.
    """
    known = truth != NONE
    count = int(known.sum())
    if count < FEWEST_TO_FIT_TEMPERATURE:
        return otherwise
    return fit_temperature(logits[known], truth[known], smoothing=1 / (count + 2))


def place_thresholds(items: Items, labels: int, purity: float) -> list[tuple[Threshold, bool]]:
    """Return for each label its threshold, and whether it is its own.

    A label of which too few items are there to show the purity gets the score from which on items of all labels together
    have it, by counting or by what their scores promise, unless its own items speak against that: then it begins above the
    surest of them that is wrong.
    """
    everything, promised = fit_threshold(items.sure, items.right, purity), _promised(items, purity)
    chosen = []
    for label in range(labels):
        mine = items.part(items.found == label)
        own = fit_threshold(mine.sure, mine.right, purity)
        counted = (own, True)
        if everything.is_reached and not own.is_reached:
            counted = (_shared(mine, everything.minimum_score, purity), False)
        by_scores = _shared(mine, promised, purity)
        chosen.append((by_scores, False) if by_scores.minimum_score < counted[0].minimum_score else counted)
    return chosen


def _promised(items: Items, purity: float) -> float:
    """The score from which on the purity is to be expected by scores and counts together; NEVER where there is none.

    By counts alone the surest of a few dozen items show a high purity. But a score is the share that is right of items that
    were left out, as the temperature was fitted to them: it stands for `WORTH_OF_SCORES` more items, beside those counted.
    """
    order = np.argsort(-items.sure, kind="stable")
    sure, right, count = items.sure[order], np.cumsum(items.right[order]), np.arange(1, len(order) + 1)
    expected = (right + WORTH_OF_SCORES * np.cumsum(sure) / count) / (count + WORTH_OF_SCORES)
    good = np.flatnonzero(np.append(sure[1:] < sure[:-1], True) & (expected >= purity))  # those of one score together
    return float(sure[good[-1]]) if good.size else NEVER


def _shared(mine: Items, minimum: float, purity: float) -> Threshold:
    """The score that all labels together have, raised while more of these items are wrong than the purity allows."""
    while (kept := mine.sure >= minimum).any() and mine.right[kept].mean() < purity:
        minimum = min(NEVER, float(mine.sure[kept & ~mine.right].min()) + 1e-3)
    return _from(mine, minimum)


def _from(items: Items, minimum: float) -> Threshold:
    minimum = max(minimum, LEAST_SCORE)
    kept = items.sure >= minimum
    return Threshold(minimum, int(kept.sum()), int((kept & items.right).sum()), True)


def passed(items: Items, minimum: Sequence[float] | Floats) -> Bools:
    """Which items (items,) reach the least score of the label that they are found as."""
    return np.asarray(items.sure >= np.asarray(minimum, np.float64)[items.found])


def figures(items: Items, label: int | None, let_through: Bools) -> Figures:
    """The figures of one label, or with None of all, where these items (items,) are let through."""
    own = items.truth != NONE if label is None else items.truth == label
    named = np.ones(len(items.found), bool) if label is None else items.found == label
    kept = let_through & named
    return Figures(
        Share(int((items.right & own).sum()), int(own.sum())),
        Share(int((kept & items.right).sum()), int(kept.sum())),
        Share(int((items.right & own & let_through).sum()), int(own.sum())),
    )


def as_minimum(thresholds: Sequence[tuple[Threshold, bool]], labels: Sequence[str]) -> Mapping[str, float]:
    """The least score of each label, up to the next thousandth."""
    return {
        label: min(NEVER, float(np.ceil(1000 * threshold.minimum_score) / 1000))
        for label, (threshold, _) in zip(labels, thresholds, strict=True)
    }
