"""Figures of a classifier from its probabilities: accuracy with its interval, calibration, rejection, thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Probabilities = NDArray[np.float64]


def softmax(scores: NDArray[np.floating], temperature: float = 1.0) -> Probabilities:
    """Rows of scores -> rows of probabilities."""
    raised = np.exp((scores - scores.max(axis=1, keepdims=True)).astype(np.float64) / temperature)
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def wilson(right: int, count: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927)."""
    if count == 0:
        return 0.0, 1.0
    z, p = 1.96, right / count
    middle = (p + z * z / (2 * count)) / (1 + z * z / count)
    half = z * np.sqrt(p * (1 - p) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return float(middle - half), float(middle + half)


def confusion(labels: NDArray[np.intp], found: NDArray[np.intp], classes: int) -> NDArray[np.intp]:
    """Counts, a row for each true label."""
    table = np.zeros((classes, classes), np.intp)
    np.add.at(table, (labels, found), 1)
    return table


def fit_temperature(scores: NDArray[np.floating], labels: NDArray[np.intp]) -> float:
    """The temperature with the least negative log-likelihood, by golden section on its logarithm."""

    def loss(log_temperature: float) -> float:
        chosen = softmax(scores, float(np.exp(log_temperature)))[np.arange(len(labels)), labels]
        return float(-np.mean(np.log(np.maximum(chosen, 1e-12))))

    low, high, ratio = np.log(0.05), np.log(10.0), (np.sqrt(5) - 1) / 2
    for _ in range(60):
        a, b = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, b) if loss(a) < loss(b) else (a, high)
    return float(np.exp((low + high) / 2))


def calibration_error(probabilities: Probabilities, labels: NDArray[np.intp], bins: int = 15) -> float:
    """Expected calibration error over bins of equal width (Naeini et al., 2015)."""
    sure, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    where = np.minimum((sure * bins).astype(int), bins - 1)
    gaps = [abs(sure[where == b].mean() - right[where == b].mean()) * np.mean(where == b) for b in set(where.tolist())]
    return float(sum(gaps))


def reliability(
    probabilities: Probabilities, labels: NDArray[np.intp], bins: int = 10
) -> list[tuple[float, float, int]]:
    """(mean probability, share right, count) of each bin that holds photos."""
    sure, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    where = np.minimum((sure * bins).astype(int), bins - 1)
    return [
        (float(sure[where == b].mean()), float(right[where == b].mean()), int(np.sum(where == b)))
        for b in range(bins)
        if np.any(where == b)
    ]


def risk_coverage(
    probabilities: Probabilities, labels: NDArray[np.intp], points: int = 21
) -> list[tuple[float, float]]:
    """(share kept, purity of what is kept), from the surest photos to all."""
    order = np.argsort(-probabilities.max(axis=1), kind="stable")
    right = (probabilities.argmax(axis=1) == labels)[order]
    kept = np.unique(np.linspace(1, len(labels), points).round().astype(int))
    return [(float(k / len(labels)), float(right[:k].mean())) for k in kept]


def rejection_auroc(known: NDArray[np.floating], unknown: NDArray[np.floating]) -> float | None:
    """Chance that a photo of a label has a higher score than one of none of the labels (Mann-Whitney); None without."""
    if len(known) == 0 or len(unknown) == 0:
        return None
    order = np.sort(unknown)
    below = np.searchsorted(order, known, "left") + 0.5 * (
        np.searchsorted(order, known, "right") - np.searchsorted(order, known, "left")
    )
    return float(below.mean() / len(unknown))


@dataclass(frozen=True)
class LabelThresholds:
    """The score under which an item of each label counts as unsure."""

    minimum_score: tuple[float, ...]
    reached: tuple[bool, ...]  # whether the label comes to the purity at all


def fit_thresholds(
    probabilities: Probabilities, labels: NDArray[np.intp], classes: int, purity: float, least: float = 0.0
) -> LabelThresholds:
    """For each label the lowest score above which `purity` of the photos that it is found on are right.

    `labels` holds -1 for photos of none of the labels: finding any label on them is wrong. A label that never
    comes to the purity gets the score that comes nearest to it while half of its right photos are kept.
    """
    found, sure = probabilities.argmax(axis=1), probabilities.max(axis=1)
    scores, reached = [], []
    for label in range(classes):
        mine = found == label
        order = np.argsort(-sure[mine], kind="stable")
        right = (labels[mine] == label)[order]
        share = np.cumsum(right) / np.arange(1, len(right) + 1)
        good = np.flatnonzero(share >= purity)
        if len(good) == 0 and len(right):
            half = np.searchsorted(np.cumsum(right), max(1, right.sum() // 2))
            good = np.array([int(np.argmax(share[half:])) + half]) if half < len(share) else np.array([len(share) - 1])
            reached.append(False)
        else:
            reached.append(len(right) > 0)
        scores.append(max(least, float(sure[mine][order][good[-1]])) if len(right) else 1.0)
    return LabelThresholds(tuple(scores), tuple(reached))


def per_label(table: NDArray[np.intp], names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Precision, recall and count of each label from a confusion table."""
    result = {}
    for index, name in enumerate(names):
        found, true = int(table[:, index].sum()), int(table[index].sum())
        right = int(table[index, index])
        result[name] = {
            "precision": right / found if found else 0.0,
            "recall": right / true if true else 0.0,
            "photos": true,
        }
    return result
