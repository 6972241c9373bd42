"""What a head is fitted to: the base's memory and the place's lessons, in the units in which one stiffness suits all features."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge.bundle.archive import Bundle
from edge.bundle.head import Codes, LinearHead, quantize_head, read_head
from edge.bundle.memory import NONE, Memory, read_memory
from edge.teaching.lessons import Lessons
from edge.teaching.solver import LEAST_SPREAD, Examples, Features, Softmax, fit_softmax

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Bools = NDArray[np.bool_]

FOLDS: Final = 5
_ROUGH_STEPS, _FINE_STEPS = 50, 300


@dataclass(frozen=True, eq=False)
class Ground:
    """The photos that a head learns from; those of the memory come first."""

    base: Bundle
    head: LinearHead
    memory: Memory | None
    lessons: Lessons

    @property
    def remembered(self) -> int:
        """Photos of the memory."""
        return 0 if self.memory is None else len(self.memory)

    @cached_property
    def has_none(self) -> bool:
        """Whether the head has a row for things of none of the labels."""
        return self.head.none_of_these or bool((self._given_truth == NONE).any())

    @cached_property
    def folds(self) -> Indices:
        """The fold (photos,) in which a photo is judged, -1: in none; the items of each label are spread over all folds."""
        folds = np.full(len(self.lessons.truth), -1, np.int64)
        rng = np.random.default_rng(0)
        for label in np.unique(self.lessons.truth):
            items = rng.permutation(np.unique(self.lessons.items[self.lessons.truth == label]))
            for number, item in enumerate(items if len(items) > 1 else []):
                folds[self.lessons.items == item] = number % FOLDS
        return np.concatenate([rng.permutation(self.remembered) % FOLDS, folds])

    def held_out_logits(self, share: float, stiffness: float) -> Floats:
        """Logits (photos, classes) by heads that did not learn from the photo's item; 0 for photos that are in no fold."""
        logits = np.zeros((len(self.folds), len(self._start.bias)))
        for fold in range(FOLDS):
            held_out = self.folds == fold
            if held_out.any():
                head = self._fit(share, stiffness, ~held_out, _ROUGH_STEPS)
                logits[held_out] = head.logits(self._features[: len(held_out)][held_out])
        return logits

    def base_logits(self) -> Floats:
        """Logits (photos, classes) of the head that is begun with: the base's, and 0 for what it does not know."""
        return self._start.logits(self._features[: len(self.folds)])

    def fit(self, share: float, stiffness: float, step: float, shift: float) -> LinearHead:
        """The head that learnt from all photos and goes `step` of the way to what they say; "none of these" is set back by `shift`."""
        start, learnt = self._start, self._fit(share, stiffness, np.ones(len(self.folds), bool), _FINE_STEPS)
        final = Softmax(
            (1 - step) * start.weights + step * learnt.weights, (1 - step) * start.bias + step * learnt.bias
        )
        bias = final.bias.copy()
        bias[-1] -= shift if self.has_none else 0.0
        output = self.base.manifest.output
        weights = (final.weights / (self._spread[:, None] * output.scale)).T
        return quantize_head(np.ascontiguousarray(weights), bias, output, self.has_none)

    def _fit(self, share: float, stiffness: float, used: Bools, steps: int) -> Softmax:
        return fit_softmax(
            Examples(self._features, self._truth, self._weight(share, used)), self._start, stiffness, steps
        )

    def _weight(self, share: float, used: Bools) -> Floats:
        """Each photo of the memory weighs the same, and each item of the place; these together weigh `share`."""
        photos_of_item = np.bincount(self.lessons.items)[self.lessons.items]
        old = np.where(used[: self.remembered], 1.0, 0.0)
        new = np.tile(np.where(used[self.remembered :], 1.0 / photos_of_item, 0.0), 1 + self.lessons.turns)
        return np.concatenate([old * ((1 - share) / max(old.sum(), 1.0)), new * (share / max(new.sum(), 1e-9))])

    @cached_property
    def _spread(self) -> Floats:
        codes: Codes = self.lessons.codes if self.memory is None else self.memory.codes
        return np.asarray(codes.std(axis=0) + LEAST_SPREAD, np.float64)

    @cached_property
    def _features(self) -> Features:
        """Feature codes above that of 0 (memory, photos and their turns one after the other; features), over their spread."""
        parts = [] if self.memory is None else [self.memory.codes]
        parts.append(self.lessons.codes)
        if self.lessons.turned is not None:
            parts.extend(self.lessons.turned)
        features = np.concatenate(parts).astype(np.float32)
        features -= self.head.zero_point
        features /= self._spread.astype(np.float32)
        return features

    @cached_property
    def _given_truth(self) -> Indices:
        own = np.tile(self.lessons.truth, 1 + self.lessons.turns)
        return own if self.memory is None else np.concatenate([self.memory.labels, own])

    @cached_property
    def _truth(self) -> Indices:
        """Classes: the labels, and after them things of none."""
        return np.where(self._given_truth == NONE, len(self.lessons.labels), self._given_truth)

    @cached_property
    def _start(self) -> Softmax:
        """The base's head; a label that it does not know begins with no weights."""
        known, step = self.head.labels, self.head.step
        classes = len(self.lessons.labels) + self.has_none
        weights, bias = np.zeros((self.head.weights.shape[1], classes)), np.zeros(classes)
        weights[:, :known] = self.head.weights[:known].T * (step * self._spread[:, None])
        bias[:known] = self.head.bias[:known] * step
        if self.head.none_of_these:
            weights[:, -1], bias[-1] = self.head.weights[-1] * step * self._spread, self.head.bias[-1] * step
        return Softmax(weights, bias)


def ground_of(base: Bundle, lessons: Lessons) -> Ground:
    """What there is to learn from.

    Raises:
        BundleError: the base's head or memory can't be read.
    """
    head = read_head(base)
    if not isinstance(head, LinearHead):
        raise ValueError(f"{base.source} has no head of its own")
    return Ground(base, head, read_memory(base), lessons)
