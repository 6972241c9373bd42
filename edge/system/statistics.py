"""What photos allow to say of a model: shares with their uncertainty, its temperature, and how sure it has to be.

One rule wherever a purity p is promised, on the workstation as at a station: items found as a label are accepted from the
lowest score on at which the lower end of Wilson's interval of "right among the accepted" reaches p (Wilson 1927; choosing
a score by a bound instead of by the share is Geifman and El-Yaniv's selection with guaranteed risk, NeurIPS 2017). The
plain share reaches p by luck on few photos: with it the promise held in less than half of the draws tried, with the
bound in about three of four wherever so many photos can show that purity at all. For p = 0.97 that takes 23 photos that
are all right; with thousands of photos bound and share meet. And no score under LEAST_SCORE is ever enough.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

NEVER: Final = 1.0
"""The score of a label of which nothing is accepted."""
# Photos of a label that is hardly ever confused would allow a score near 0.4, and with it whatever nobody photographed.
LEAST_SCORE: Final = 0.7
_Z_95 = 1.96  # two-sided: 19 of 20 true shares lie between the ends
_Z_80 = 0.84  # one-sided: 4 of 5 true shares lie above the lower end
_COLDEST, _HOTTEST = 0.25, 8.0
# Of probabilities and their logarithms: exp and log differ between processors in the sixteenth digit. Scores are the same on
# all, but for one in a million that lies between two such numbers.
_DIGITS: Final = 9
_SUREST: Final = 1 - 10.0**-_DIGITS
# Under the last accepted score, where nothing was found any more.
_BELOW = 0.02


def log_softmax(logits: NDArray[np.floating], temperature: float = 1.0) -> Floats:
    """Log-probabilities of logits divided by a temperature, over the last axis."""
    scaled = np.asarray(logits, np.float64) / temperature
    return np.round(scaled - np.logaddexp.reduce(scaled, axis=-1, keepdims=True), _DIGITS)


def softmax(logits: NDArray[np.floating], temperature: float = 1.0) -> Floats:
    """Probabilities of logits divided by a temperature, over the last axis; none is quite 1, which stands for NEVER."""
    return np.minimum(np.round(np.exp(log_softmax(logits, temperature)), _DIGITS), _SUREST)


def wilson_interval(right: int, count: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927)."""
    if count == 0:
        return 0.0, 1.0
    low, high = _wilson(right, count, _Z_95)
    return float(low), float(high)


def surely(right: ArrayLike, count: ArrayLike) -> Floats:
    """Return what share the truth exceeds in four of five cases: Wilson's lower end, of numbers or arrays; `count` > 0."""
    return _wilson(right, count, _Z_80)[0]


def fewest_photos(purity: float) -> int:
    """Return how many photos, all of them right, are the fewest that show a purity below 1: `surely` n of n."""
    return math.ceil(purity * _Z_80**2 / (1 - purity))


def _wilson(right: ArrayLike, count: ArrayLike, z: float) -> tuple[Floats, Floats]:
    n = np.asarray(count, np.float64)
    share = np.asarray(right, np.float64) / n
    middle = share + z**2 / (2 * n)
    half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return (middle - half) / (1 + z**2 / n), (middle + half) / (1 + z**2 / n)


def cusum_step(score: float, unusual: bool, usual: float, changed: float) -> float:
    """Return the next score of a cumulative sum that asks whether a share has risen from `usual` to `changed`; 0: no.

    Page's test (Biometrika 1954) of single trials (Reynolds and Stoumbos, Journal of Quality Technology 1999). It raises a
    false alarm at a limit h once in more than exp(h) trials on average (Lorden, Annals of Mathematical Statistics 1971), and
    the last time that the score was 0 is the best guess of when the share rose.
    """
    likelihoods = (changed, usual) if unusual else (1 - changed, 1 - usual)
    return max(0.0, score + math.log(likelihoods[0] / likelihoods[1]))


def fit_temperature(logits: NDArray[np.floating], truth: NDArray[np.integer], smoothing: float = 0.0) -> float:
    """Return what the logits (n, labels) are divided by so that scores are true shares, 0.25 to 8 (Guo et al., ICML 2017).

    It has the least negative log-likelihood of the true labels' indices (n,); with `smoothing` so much of each label's truth
    is spread over all labels.
    """

    def loss(logarithm: float) -> float:
        log = log_softmax(logits, math.exp(logarithm))
        return float(-(1 - smoothing) * log[np.arange(len(truth)), truth].mean() - smoothing * log.mean())

    low, high = math.log(_COLDEST), math.log(_HOTTEST)
    golden = (math.sqrt(5) - 1) / 2
    while high - low > 1e-4:  # the loss is convex in 1 / temperature, so it has one minimum here
        one, other = high - golden * (high - low), low + golden * (high - low)
        low, high = (low, other) if loss(one) < loss(other) else (one, high)
    return math.exp((low + high) / 2)


@dataclass(frozen=True)
class Threshold:
    """From which score on items found as one label are accepted, and what that does to the photos it was fitted on.

    Where no score has the purity, `is_reached` is false, and the score is the one that comes nearest to it; NEVER where no
    photo is right.
    """

    minimum_score: float
    accepted: int
    right: int
    is_reached: bool


def fit_thresholds(probabilities: Floats, truth: NDArray[np.integer], purity: float) -> tuple[Threshold, ...]:
    """Return the threshold of each label from probabilities (n, labels) and the true labels' indices (n,).

    -1 is a photo of none of the labels: finding any label on it is wrong.
    """
    found, sure = probabilities.argmax(axis=1), probabilities.max(axis=1)
    labels = range(probabilities.shape[1])
    return tuple(fit_threshold(sure[found == n], truth[found == n] == n, purity) for n in labels)


def fit_threshold(scores: Floats, right: Sequence[bool] | NDArray[np.bool_], purity: float) -> Threshold:
    """Return the threshold of one label from the photos that are found as it: their scores (n,), and which are right (n,)."""
    order = np.argsort(-scores, kind="stable")
    falling, hits = scores[order], np.cumsum(np.asarray(right, bool)[order])
    if len(hits) == 0 or hits[-1] == 0:
        return Threshold(NEVER, 0, 0, False)
    # Photos of one score are accepted together.
    last = np.flatnonzero(np.append(falling[1:] < falling[:-1], True))
    bounds = surely(hits[last], last + 1)
    good = np.flatnonzero(bounds >= purity)
    chosen = last[good[-1] if good.size else np.argmax(bounds)]
    after = falling[chosen + 1] if chosen + 1 < len(falling) else falling[chosen] - _BELOW
    minimum = max(LEAST_SCORE, float(falling[chosen] + after) / 2)
    kept = int(np.sum(falling >= minimum))
    return Threshold(minimum, kept, int(hits[kept - 1]) if kept else 0, bool(good.size))
