"""A head for one place: fitted beside the base's memory, judged on items that it did not learn from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge.bundle.archive import Bundle
from edge.bundle.head import Codes, LinearHead, quantize_head, read_head
from edge.bundle.manifest import Thresholds
from edge.bundle.memory import NONE, Memory, read_memory
from edge.teaching.lessons import Lessons
from edge.teaching.scoring import (
    Figures,
    Floats,
    Indices,
    Items,
    Share,
    as_minimum,
    by_item,
    figures,
    place_thresholds,
    temperature_of,
)
from edge.teaching.solver import Examples, Features, Softmax, fit_softmax

FOLDS: Final = 5
SHARES: Final = (0.07, 0.15, 0.3, 0.5, 0.7)
"""Of what is learnt from, how much weighs the place against the memory: the best is chosen by what is forgotten and gained."""
MOST_FORGOTTEN: Final = 0.01
"""How far the share of the memory that is named rightly may fall."""
STIFFNESS: Final = 3e-3
"""How firmly the base's head holds; a third or three times as much changed no place by a point."""
_WANTED_FORGOTTEN = 0.005
_ROUGH_STEPS, _FINE_STEPS = 50, 300
_MOST_CALLED_UNKNOWN = 0.02  # of what has a label
_LEAST_SPREAD = 2.0  # codes; a feature that hardly varies must not weigh without bound

Progress = Callable[[float], None]


@dataclass(frozen=True, eq=False)
class Learnt:
    """A head for a place, and what it is expected to do there, cross-validated by item.

    Attributes:
        before, after: figures of the base and of this head for each taught label, and for all under the empty name.
        own_threshold: the labels whose items alone show the purity; the others share one with all.
        memory_before, memory_after: photos of the base's memory that are named rightly; count 0 where it has none.
        too_few: labels of which one item alone was shown: taught, but not judged.
        wanted_share: the weight of the place that was chosen.
    """

    head: LinearHead
    labels: tuple[str, ...]
    thresholds: Thresholds
    before: Mapping[str, Figures]
    after: Mapping[str, Figures]
    own_threshold: frozenset[str]
    purity_reached: bool
    memory_before: Share
    memory_after: Share
    too_few: tuple[str, ...]
    wanted_share: float

    @property
    def forgotten(self) -> float:
        """By how much the share of the memory that is named rightly falls."""
        return self.memory_before.value - self.memory_after.value

    @property
    def refusal(self) -> str:
        """Why it must not be used; empty where it may."""
        if self.memory_before.count and self.forgotten > MOST_FORGOTTEN:
            return (
                f"it would forget: of what the base knows it names {100 * self.forgotten:.1f} % fewer rightly, and at most "
                f"{100 * MOST_FORGOTTEN:.0f} % are allowed: look for photos with a wrong label"
            )
        before, after = self.before[""], self.after[""]
        if not before.top1.count:
            return "no label has two items or more to judge it by: put more things of each label through"
        if (after.top1.right, after.recovery.right) <= (before.top1.right, before.recovery.right):
            return (
                f"it is not better than the base, which names {before.top1.right} of {before.top1.count} items rightly, "
                f"this one {after.top1.right}: keep the base, or teach with more items"
            )
        return ""


@dataclass(frozen=True, eq=False)
class _Ground:
    """All photos in the units that the fit works in; the memory's come first."""

    features: Features
    truth: Indices
    weight_of: Callable[[float, NDArray[np.bool_]], Floats]
    start: Softmax
    spread: Floats
    memory: int
    has_none: bool


@dataclass(frozen=True, eq=False)
class _Judged:
    """Logits of photos by heads that did not learn from their item: the memory's first, then the place's."""

    logits: Floats
    share: float


def learn(base: Bundle, lessons: Lessons, purity: float, progress: Progress = lambda _: None) -> Learnt:
    """Fit a head to the lessons and judge it; `base` is of format 2 and not taught itself.

    Raises:
        BundleError: the base's head or memory can't be read.
    """
    head, memory = read_head(base), read_memory(base)
    if not isinstance(head, LinearHead):
        raise ValueError(f"{base.source} has no head of its own")
    ground = _ground(base, head, memory, lessons)
    folds = _folds(lessons, ground.memory)
    tried = []
    shares = SHARES if ground.memory else (1.0,)
    for number, share in enumerate(shares):
        tried.append(_Judged(_held_out_logits(ground, folds, share), share))
        progress((number + 1) / (len(shares) + 1))
    best = min(tried, key=lambda one: _worth(one, ground, head, memory, lessons, folds))
    everything = np.ones(len(ground.truth), bool)
    lesson = Examples(ground.features, ground.truth, ground.weight_of(best.share, everything))
    final = fit_softmax(lesson, ground.start, STIFFNESS, _FINE_STEPS)
    progress(1.0)
    return _judge(base, head, memory, lessons, ground, folds, best, final, purity)


def _ground(base: Bundle, head: LinearHead, memory: Memory | None, lessons: Lessons) -> _Ground:
    manifest, labels = base.manifest, len(lessons.labels)
    remembered = 0 if memory is None else len(memory)
    codes = lessons.codes if memory is None else np.concatenate([memory.codes, lessons.codes])
    truth = lessons.truth if memory is None else np.concatenate([memory.labels, lessons.truth])
    has_none = head.none_of_these or bool((truth == NONE).any())
    real = codes.astype(np.float32) - head.zero_point
    spread = np.asarray(real[: remembered or None].std(axis=0) + _LEAST_SPREAD, np.float64)
    classes = labels + has_none
    weights, bias = np.zeros((real.shape[1], classes)), np.zeros(classes)
    known = len(manifest.labels)
    weights[:, :known] = head.weights[:known].T * (head.step * spread[:, None])
    bias[:known] = head.bias[:known] * head.step
    if head.none_of_these:
        weights[:, -1], bias[-1] = head.weights[-1] * head.step * spread, head.bias[-1] * head.step
    photos_of_item = np.bincount(lessons.items)[lessons.items]

    def weight_of(share: float, used: NDArray[np.bool_]) -> Floats:
        """Each photo of the memory weighs the same, and each item of the place."""
        old = np.where(used[:remembered], 1.0, 0.0)
        new = np.where(used[remembered:], 1.0 / photos_of_item, 0.0)
        parts = [old * ((1 - share) / max(old.sum(), 1.0)), new * (share / max(new.sum(), 1e-9))]
        return np.concatenate(parts)

    return _Ground(
        np.asarray(real / spread, np.float32),
        np.where(truth == NONE, classes - 1, truth).astype(np.int64),
        weight_of,
        Softmax(weights, bias),
        spread,
        remembered,
        has_none,
    )


def _folds(lessons: Lessons, remembered: int) -> Indices:
    """The fold (photos,) in which a photo is judged, -1: in none; the items of each label are spread over all folds."""
    folds = np.full(len(lessons.truth), -1, np.int64)
    rng = np.random.default_rng(0)
    for label in np.unique(lessons.truth):
        items = rng.permutation(np.unique(lessons.items[lessons.truth == label]))
        if len(items) < 2:
            continue
        for number, item in enumerate(items):
            folds[lessons.items == item] = number % FOLDS
    return np.concatenate([rng.permutation(remembered) % FOLDS, folds])


def _held_out_logits(ground: _Ground, folds: Indices, share: float) -> Floats:
    logits = np.zeros((len(folds), ground.start.bias.shape[0]))
    for fold in range(FOLDS):
        held_out = folds == fold
        if held_out.any():
            weight = ground.weight_of(share, ~held_out)
            used = weight > 0
            lesson = Examples(ground.features[used], ground.truth[used], weight[used])
            fitted = fit_softmax(lesson, ground.start, STIFFNESS, _ROUGH_STEPS)
            logits[held_out] = fitted.logits(ground.features[held_out])
    return logits


def _worth(
    one: _Judged, ground: _Ground, head: LinearHead, memory: Memory | None, lessons: Lessons, folds: Indices
) -> tuple[int, float, float]:
    """What speaks against a weight of the place: that it forgets, items that are named wrongly, and how unlikely the right ones are."""
    before, after = _remembered(head, memory, one.logits[: ground.memory], len(lessons.labels))
    forgotten = before.value - after.value
    over = 0 if forgotten <= _WANTED_FORGOTTEN else 1 + int(1000 * forgotten)
    judged = (folds[ground.memory :] >= 0) & (lessons.truth != NONE)
    if not judged.any():
        return over, 0.0, one.share
    logits = one.logits[ground.memory :][judged][:, : len(lessons.labels)]
    items = by_item(logits, np.full(len(logits), -1.0), lessons.truth[judged], lessons.items[judged], 1.0)
    return over, float(-items.right.sum()), one.share


def _remembered(head: LinearHead, memory: Memory | None, logits: Floats, labels: int) -> tuple[Share, Share]:
    """Photos of the memory that are named rightly by the base, and by heads that did not learn from them."""
    if memory is None:
        return Share(0, 0), Share(0, 0)
    known = memory.labels != NONE
    truth = memory.labels[known]
    before = head.logits(memory.codes[known]).argmax(axis=1) == truth
    after = logits[known, :labels].argmax(axis=1) == truth
    return Share(int(before.sum()), len(truth)), Share(int(after.sum()), len(truth))


def _judge(  # noqa: PLR0913 - everything that was worked out comes together here
    base: Bundle,
    head: LinearHead,
    memory: Memory | None,
    lessons: Lessons,
    ground: _Ground,
    folds: Indices,
    best: _Judged,
    final: Softmax,
    purity: float,
) -> Learnt:
    labels, manifest = lessons.labels, base.manifest
    own = best.logits[ground.memory :]
    shift = _shift(best.logits, ground, len(labels))
    judged = folds[ground.memory :] >= 0
    logits, truth, items = own[judged][:, : len(labels)], lessons.truth[judged], lessons.items[judged]
    temperature = temperature_of(logits, truth, manifest.thresholds.temperature)
    strange = own[judged][:, -1] - shift - logits.max(axis=1) if ground.has_none else np.full(len(truth), -1.0)
    after = by_item(logits, strange, truth, items, temperature)
    chosen = place_thresholds(after, len(labels), purity)
    minimum = dict(as_minimum(chosen, labels))
    minimum |= _untaught(base, lessons, minimum)
    before = _base_items(head, lessons, judged, manifest.thresholds.temperature)
    old = [manifest.thresholds.minimum_score.get(label, 1.0) for label in labels]
    new = [minimum[label] for label in labels]
    taught = [n for n in range(len(labels)) if (truth == n).any()]
    names: list[tuple[str, int | None]] = [("", None), *((labels[n], n) for n in taught)]
    memory_before, memory_after = _remembered(head, memory, best.logits[: ground.memory], len(labels))
    return Learnt(
        head=_quantized(final, shift, ground, base, head),
        labels=labels,
        thresholds=Thresholds(temperature=temperature, minimum_score=minimum, purity=purity),
        before={name: figures(before, number, old) for name, number in names},
        after={name: figures(after, number, new) for name, number in names},
        own_threshold=frozenset(labels[n] for n in taught if chosen[n][1] and chosen[n][0].is_reached),
        purity_reached=all(chosen[n][0].is_reached for n in taught),
        memory_before=memory_before,
        memory_after=memory_after,
        too_few=tuple(_once(lessons)),
        wanted_share=best.share,
    )


def _shift(logits: Floats, ground: _Ground, labels: int) -> float:
    """How far "none of these" is set back, so that hardly anything that has a label is called so."""
    known = (ground.truth < labels) & logits.any(axis=1)
    if not ground.has_none or not known.any():
        return 0.0
    strange = logits[known, -1] - logits[known, :labels].max(axis=1)
    return max(0.0, float(np.quantile(strange, 1 - _MOST_CALLED_UNKNOWN)))


def _base_items(head: LinearHead, lessons: Lessons, judged: NDArray[np.bool_], temperature: float) -> Items:
    codes: Codes = lessons.codes[judged]
    return by_item(
        head.logits(codes), head.strangeness(codes), lessons.truth[judged], lessons.items[judged], temperature
    )


def _untaught(base: Bundle, lessons: Lessons, minimum: Mapping[str, float]) -> dict[str, float]:
    """A label that nothing was taught of keeps the base's threshold, and is not let through more easily than what was."""
    taught = {lessons.labels[n] for n in np.unique(lessons.truth) if n != NONE}
    strictest = max((score for label, score in minimum.items() if label in taught and score < 1.0), default=0.0)
    old = base.manifest.thresholds.minimum_score
    return {label: max(old.get(label, 1.0), strictest) for label in lessons.labels if label not in taught}


def _once(lessons: Lessons) -> Iterator[str]:
    for number, label in enumerate(lessons.labels):
        if lessons.count(number)[0] == 1:
            yield label


def _quantized(final: Softmax, shift: float, ground: _Ground, base: Bundle, head: LinearHead) -> LinearHead:
    bias = final.bias.copy()
    bias[-1] -= shift if ground.has_none else 0.0
    scale = base.manifest.output.scale
    weights = (final.weights / (ground.spread[:, None] * scale)).T
    return quantize_head(np.ascontiguousarray(weights), bias, base.manifest.output, ground.has_none)
