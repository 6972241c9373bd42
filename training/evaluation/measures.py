"""Figures of a classifier from its probabilities: confusion, calibration, rejection."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Probabilities = NDArray[np.float64]


def confusion(labels: NDArray[np.intp], found: NDArray[np.intp], classes: int) -> NDArray[np.intp]:
    """Counts, a row for each true label."""
    table = np.zeros((classes, classes), np.intp)
    np.add.at(table, (labels, found), 1)
    return table


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
