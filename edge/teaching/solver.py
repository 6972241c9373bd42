"""Softmax regression that starts from a head and is held near it: what a place needs is learnt, and nothing else moves.

The loss is convex, so there is one answer, whatever the order of the photos: the weighted mean of the negative
log-likelihoods, plus half the `stiffness` times the squared distance of the weights from the head's own. It is found by
L-BFGS (Nocedal and Wright, Numerical Optimization, 2006, algorithm 7.4) in NumPy alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Features = NDArray[np.float32]

LEAST_SPREAD: Final = 2.0
"""Codes, added to the spread of a feature before it is divided by it: one that hardly varies must not weigh without bound."""
_REMEMBERED: Final = 10  # steps, of which the curvature is estimated
_ENOUGH: Final = 1e-4  # of the first slope's promise (Armijo), as is usual


@dataclass(frozen=True, eq=False)
class Softmax:
    """weights (features, classes) and bias (classes,): logits = features @ weights + bias."""

    weights: Floats
    bias: Floats

    def logits(self, features: Features) -> Floats:
        """Scores (photos, classes) of features (photos, features)."""
        return np.asarray(features @ self.weights.astype(np.float32) + self.bias, np.float64)


@dataclass(frozen=True, eq=False)
class Examples:
    """Photos to fit to: features (photos, features), true classes (photos,), and how much each weighs (photos,).

    `given` is a part of the logits (photos, classes) that is not fitted.
    """

    features: Features
    truth: NDArray[np.int64]
    weight: Floats
    given: Floats | float = 0.0


def fit_softmax(examples: Examples, start: Softmax, stiffness: float, steps: int = 200) -> Softmax:
    """Return the fit; it ends when a step gains next to nothing, or after `steps` of them."""
    features, given = examples.features, examples.given
    shape = start.weights.shape
    share = examples.weight / examples.weight.sum()
    target = np.eye(shape[1])[examples.truth]

    def loss(flat: Floats) -> tuple[float, Floats]:
        weights, bias = flat[: -shape[1]].reshape(shape), flat[-shape[1] :]
        logits = features @ weights.astype(np.float32) + bias + given
        logits -= logits.max(axis=1, keepdims=True)
        log_sum = np.log(np.exp(logits).sum(axis=1, keepdims=True))
        off = weights - start.weights
        value = float(-(share * ((logits - log_sum) * target).sum(axis=1)).sum()) + 0.5 * stiffness * float(
            (off**2).sum()
        )
        error = ((np.exp(logits - log_sum) - target) * share[:, None]).astype(np.float32)
        slope = np.concatenate([(features.T @ error + stiffness * off).ravel(), error.sum(axis=0)])
        return value, np.asarray(slope, np.float64)

    flat = _minimize(loss, np.concatenate([start.weights.ravel(), start.bias]), steps)
    return Softmax(flat[: -shape[1]].reshape(shape), flat[-shape[1] :])


def _minimize(loss: Callable[[Floats], tuple[float, Floats]], at: Floats, steps: int) -> Floats:
    value, slope = loss(at)
    known: deque[tuple[Floats, Floats]] = deque(maxlen=_REMEMBERED)
    for _ in range(steps):
        direction = -_curved(slope, known)
        promise = float(slope @ direction)
        if promise > -1e-9:
            break
        length = 1.0 if known else min(1.0, 1.0 / float(np.abs(slope).sum()))
        moved = at + length * direction
        new_value, new_slope = loss(moved)
        while new_value > value + _ENOUGH * length * promise and length > 1e-6:
            length /= 2
            moved = at + length * direction
            new_value, new_slope = loss(moved)
        if new_value >= value:  # as far as single precision tells
            break
        if float((moved - at) @ (new_slope - slope)) > 1e-12:
            known.append((moved - at, new_slope - slope))
        at, value, slope = moved, new_value, new_slope
    return at


def _curved(slope: Floats, known: deque[tuple[Floats, Floats]]) -> Floats:
    """The slope times the inverse curvature, as far as the remembered steps tell of it."""
    result = slope.copy()
    shares = []
    for step, change in reversed(known):
        share = float(step @ result) / float(step @ change)
        result -= share * change
        shares.append(share)
    if known:
        step, change = known[-1]
        result *= float(step @ change) / float(change @ change)
    for (step, change), share in zip(known, reversed(shares), strict=True):
        result += (share - float(change @ result) / float(step @ change)) * step
    return result
