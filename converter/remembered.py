"""What a network's own photos leave in the bundle: a row of the head for things of none of the labels, and a memory.

Both are made from the int8 file's features, as a station sees them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge.bundle.head import Codes, LinearHead, quantize_head
from edge.bundle.memory import NONE, Memory, most_photos
from edge.inference.interpreter import Interpreter
from edge.teaching.solver import LEAST_SPREAD, Examples, Softmax, fit_softmax
from edge.types import Image
from training.evaluation.evaluate import Scored, prepare_photo
from training.recipe import Recipe
from training.rendering.renderer import read_sets

MOST_CALLED_UNKNOWN: Final = 0.02
"""Of photos that have a label, on any ground: an item that is called unknown is not sorted."""
_OF_EACH: Final = 90  # photos of a label of a source
_NONE_WEIGHS = 0.3
_STIFFNESS = 3e-3


@dataclass(frozen=True, eq=False)
class Sample:
    """Training photos, of each label of each source some: features (photos, features), label or NONE, source (photos,)."""

    codes: Codes
    labels: NDArray[np.int64]
    sources: NDArray[np.str_] = field(default_factory=lambda: np.array([], str))


def sample_training(recipe: Recipe, data: Path, interpreter: Interpreter) -> Sample:
    """Look at training photos whole: as many of each label of each source, and more of things of no label."""
    training = read_sets(recipe.train, data, recipe)
    sources = np.unique(training.sources, return_inverse=True)[1]
    rng = np.random.default_rng(recipe.seed + 5)
    chosen: list[int] = []
    for source in np.unique(sources):
        for label in np.unique(training.labels[sources == source]):
            mine = rng.permutation(np.flatnonzero((sources == source) & (training.labels == label)))
            chosen += mine[: 3 * _OF_EACH if label == NONE else _OF_EACH].tolist()
    rows = [interpreter.run(prepare_photo(training.photos[i].path, recipe.network.geometry)) for i in chosen]
    codes: Codes = np.stack(rows)  # type: ignore[assignment]
    return Sample(codes, training.labels[chosen].astype(np.int64), training.sources[chosen])


def add_none_of_these(head: LinearHead, sample: Sample, interpreter: Interpreter) -> LinearHead:
    """The head with a row for things of no label, where there are photos of such; its other rows stay as they are.

    The row is what a class of its own would be in a softmax beside the labels' scores, which are given.
    """
    is_none = sample.labels == NONE
    if is_none.sum() < _OF_EACH:
        return head
    real = sample.codes.astype(np.float32) - head.zero_point
    spread = real.std(axis=0) + LEAST_SPREAD
    logits = head.logits(sample.codes)
    given = np.stack([np.logaddexp.reduce(logits, axis=1), np.zeros(len(logits))], axis=1)
    weight = np.where(is_none, _NONE_WEIGHS / is_none.sum(), (1 - _NONE_WEIGHS) / (~is_none).sum())
    start = Softmax(np.zeros((real.shape[1], 2)), np.zeros(2))
    features = np.asarray(real / spread, np.float32)
    fitted = fit_softmax(Examples(features, is_none.astype(np.int64), weight, given), start, _STIFFNESS, 300)
    row = (fitted.weights[:, 1] - fitted.weights[:, 0]) / spread
    scale = interpreter.output.scale
    weights = np.vstack([head.weights * head.step, row]) / scale
    bias = np.append(head.bias * head.step, fitted.bias[1] - fitted.bias[0])
    return quantize_head(weights, bias, interpreter.output, none_of_these=True)


def set_back(head: LinearHead, known: Sequence[Scored]) -> tuple[LinearHead, float]:
    """The head that calls hardly anything unknown that has a label, and by how much that row was set back.

    `known` are the scores of photos that have a label, of each ground for itself.
    """
    if not head.none_of_these:
        return head, 0.0
    shift = max(0.0, *(_quantile(one, MOST_CALLED_UNKNOWN) for one in known))
    bias = head.bias.copy()
    bias[-1] -= int(np.ceil(shift / head.step))
    return replace(head, bias=bias), float((head.bias[-1] - bias[-1]) * head.step)


def remember(sample: Sample, validation: tuple[Codes, NDArray[np.int64]], features: int, seed: int) -> Memory:
    """The memory of a bundle: up to half validation photos, the rest training photos of all sources, labels balanced."""
    room = most_photos(features)
    rng = np.random.default_rng(seed)
    held_out = _balanced(validation[1], room // 2, rng)
    trained = _balanced(sample.labels, room - len(held_out), rng)
    codes = np.concatenate([validation[0][held_out], sample.codes[trained]])
    labels = np.concatenate([validation[1][held_out], sample.labels[trained]])
    return Memory(codes, labels, np.arange(len(labels)) < len(held_out))


def as_codes(interpreter: Interpreter, views: Sequence[Image]) -> Codes:
    """Features (views, features) of prepared crops."""
    codes: Codes = np.stack([interpreter.run(view) for view in views])  # type: ignore[assignment]
    return codes


def _quantile(scored: Scored, most: float) -> float:
    if scored.strangeness is None or not len(scored.strangeness):
        return 0.0
    return float(np.quantile(scored.strangeness, 1 - most))


def _balanced(labels: NDArray[np.int64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Indices of at most `count` photos, taken label by label in turn."""
    queues = [rng.permutation(np.flatnonzero(labels == label)).tolist() for label in np.unique(labels)]
    order = [queue[turn] for turn in range(max(map(len, queues), default=0)) for queue in queues if turn < len(queue)]
    return np.array(order[:count], np.int64)
