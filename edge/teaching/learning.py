"""A head for one place: fitted beside the base's memory, judged on items that it did not learn from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from edge.bundle.archive import Bundle
from edge.bundle.head import LinearHead
from edge.bundle.manifest import Thresholds
from edge.bundle.memory import NONE
from edge.system.statistics import Threshold, log_softmax
from edge.teaching.ground import FOLDS, Bools, Floats, Ground, Indices, ground_of
from edge.teaching.lessons import Lessons
from edge.teaching.scoring import (
    Figures,
    Fused,
    Items,
    Share,
    as_minimum,
    by_item,
    figures,
    passed,
    place_thresholds,
    temperature_of,
)
from edge.teaching.verdict import MOST_FORGOTTEN, Kept, refusal

SHARES: Final = (0.15, 0.4, 0.7)
"""Of what is learnt from, how much weighs the place against the memory: the best is chosen by what is forgotten and gained."""
STIFFNESSES: Final = (3e-2, 3e-1)
"""How firmly the base's head is held: the firmer the less is forgotten and the better are scores told apart, as few items teach."""
STEPS: Final = (0.25, 0.5, 0.75, 1.0)
"""How far of the way from the base's head to the learnt one: a shorter step forgets less, as scores are linear in it."""
_ENOUGH_HELD_OUT = 100  # photos of the memory
_MOST_CALLED_UNKNOWN = 0.02  # of what has a label

Progress = Callable[[float], None]


@dataclass(frozen=True, eq=False)
class Learnt:
    """A head for a place, and what it is expected to do there, cross-validated by item.

    Attributes:
        before, after: figures of the base and of this head for each taught label, and for all under the empty name. What
            passes the head's thresholds is judged at thresholds that were fitted without the item.
        own_threshold: the labels whose items alone show the purity; the others share one with all.
        kept: how much of the base's memory is named rightly, before and after; no photos where it has none.
        refusal: why it must not be used; empty where it may.
        share, stiffness, step: the weight of the place, how firmly the head was held, and how far of the way was gone, as they
            were chosen.
    """

    head: LinearHead
    labels: tuple[str, ...]
    thresholds: Thresholds
    before: Mapping[str, Figures]
    after: Mapping[str, Figures]
    own_threshold: frozenset[str]
    purity_reached: bool
    kept: Kept
    refusal: str
    share: float
    stiffness: float
    step: float


@dataclass(frozen=True, eq=False)
class _HeldOut:
    """Logits of all photos, the memory's first, by heads that did not learn from their item, all made in one way."""

    logits: Floats
    share: float
    step: float
    stiffness: float
    shift: float  # how far "none of these" is set back
    kept: Kept


def learn(base: Bundle, lessons: Lessons, purity: float, progress: Progress = lambda _: None) -> Learnt:
    """Fit a head to the lessons and judge it; `base` is of format 2 and not taught itself.

    Raises:
        BundleError: the base's head or memory can't be read.
    """
    ground = ground_of(base, lessons)
    shares = SHARES if ground.remembered else (1.0,)
    begun, tried = ground.base_logits(), []
    for number, share in enumerate(shares):
        for stiffness in STIFFNESSES:
            learnt = ground.held_out_logits(share, stiffness)
            tried += [_try(ground, (1 - step) * begun + step * learnt, share, step, stiffness) for step in STEPS]
        progress((number + 1) / (len(shares) + 1))
    best = min(tried, key=lambda one: _drawbacks(ground, one))
    head = ground.fit(best.share, best.stiffness, best.step, best.shift)
    progress(1.0)
    return _judge(ground, best, head, purity)


def _try(ground: Ground, logits: Floats, share: float, step: float, stiffness: float) -> _HeldOut:
    shift = _shift(ground, logits)
    return _HeldOut(logits, share, step, stiffness, shift, _kept(ground, logits, shift))


def _drawbacks(ground: Ground, one: _HeldOut) -> tuple[int, float]:
    """What speaks against it: that more is forgotten than may be, and how unlikely it finds what the place's items are."""
    forgotten = max(one.kept.forgotten, one.kept.worst[1] / 5) if ground.remembered else 0.0
    too_much = 0 if forgotten <= MOST_FORGOTTEN else 1 + int(1000 * forgotten)
    lessons = ground.lessons
    judged = (ground.folds[ground.remembered :] >= 0) & (lessons.truth != NONE)
    if not judged.any():
        return too_much, one.share * one.step
    fused = _fused(ground, one, judged)
    temperature = temperature_of(fused.logits, fused.truth, ground.base.manifest.thresholds.temperature)
    return too_much, -float(log_softmax(fused.logits, temperature)[np.arange(len(fused.truth)), fused.truth].mean())


def _shift(ground: Ground, logits: Floats) -> float:
    """How far "none of these" is set back, so that hardly anything that has a label is called so."""
    labels = len(ground.lessons.labels)
    truth = (
        ground.lessons.truth if ground.memory is None else np.concatenate([ground.memory.labels, ground.lessons.truth])
    )
    known = (truth != NONE) & (ground.folds >= 0)
    if not ground.has_none or not known.any():
        return 0.0
    strange = logits[known, -1] - logits[known, :labels].max(axis=1)
    return max(0.0, float(np.quantile(strange, 1 - _MOST_CALLED_UNKNOWN)))


def _strange(ground: Ground, logits: Floats, shift: float) -> Floats:
    if not ground.has_none:
        return np.full(len(logits), -1.0)
    return np.asarray(logits[:, -1] - shift - logits[:, : len(ground.lessons.labels)].max(axis=1))


def _kept(ground: Ground, logits: Floats, shift: float) -> Kept:
    """What is named rightly of the memory: what a head calls unknown is not named.

    Where there are enough photos that the network did not learn from either, those alone count: the others it names too
    easily.
    """
    memory = ground.memory
    if memory is None:
        return Kept({"": Share(0, 0)}, {"": Share(0, 0)})
    known = memory.labels != NONE
    if (fresh := known & memory.held_out).sum() >= _ENOUGH_HELD_OUT:
        known = fresh
    truth, codes = memory.labels[known], memory.codes[known]
    own = logits[: ground.remembered][known]
    before = (ground.head.logits(codes).argmax(axis=1) == truth) & (ground.head.strangeness(codes) <= 0)
    after = (own[:, : len(ground.lessons.labels)].argmax(axis=1) == truth) & (_strange(ground, own, shift) <= 0)
    return Kept(_by_label(before, truth, ground), _by_label(after, truth, ground))


def _by_label(right: Bools, truth: Indices, ground: Ground) -> dict[str, Share]:
    shares = {"": Share(int(right.sum()), len(truth))}
    for number in np.unique(truth):
        mine = truth == number
        shares[ground.lessons.labels[number]] = Share(int(right[mine].sum()), int(mine.sum()))
    return shares


def _fused(ground: Ground, one: _HeldOut, judged: Bools) -> Fused:
    """What heads that did not learn from them make of the place's items."""
    own, lessons = one.logits[ground.remembered :][judged], ground.lessons
    strange = _strange(ground, own, one.shift)
    return by_item(own[:, : len(lessons.labels)], strange, lessons.truth[judged], lessons.items[judged])


def _judge(ground: Ground, best: _HeldOut, head: LinearHead, purity: float) -> Learnt:
    lessons, manifest = ground.lessons, ground.base.manifest
    judged = ground.folds[ground.remembered :] >= 0
    temperature, chosen = _fit_thresholds(ground, best, judged, purity)
    minimum = dict(as_minimum(chosen, lessons.labels))
    minimum |= _untaught(ground, minimum)
    taught = [n for n in range(len(lessons.labels)) if (lessons.truth[judged] == n).any()]
    before, after = _figures_before(ground, judged, taught), _figures_after(ground, best, judged, taught, purity)
    old = manifest.thresholds
    return Learnt(
        head=head,
        labels=lessons.labels,
        thresholds=Thresholds(
            temperature=temperature, minimum_score=minimum, minimum_margin=old.minimum_margin, purity=purity
        ),
        before=before,
        after=after,
        own_threshold=frozenset(lessons.labels[n] for n in taught if chosen[n][1] and chosen[n][0].is_reached),
        purity_reached=all(chosen[n][0].is_reached for n in taught),
        kept=best.kept,
        refusal=refusal(before, after, manifest.labels, best.kept, purity),
        share=best.share,
        stiffness=best.stiffness,
        step=best.step,
    )


def _fit_thresholds(
    ground: Ground, best: _HeldOut, fitted_on: Bools, purity: float
) -> tuple[float, list[tuple[Threshold, bool]]]:
    """The temperature, and the threshold of each label, from the items of these photos (photos of the place,)."""
    labels, otherwise = len(ground.lessons.labels), ground.base.manifest.thresholds.temperature
    fused = _fused(ground, best, fitted_on)
    temperature = temperature_of(fused.logits, fused.truth, otherwise)
    return temperature, place_thresholds(fused.at(temperature), labels, purity)


def _figures_after(
    ground: Ground, best: _HeldOut, judged: Bools, taught: list[int], purity: float
) -> dict[str, Figures]:
    """What passes, fold by fold, at temperature and thresholds from the items of the other folds."""
    own_folds = ground.folds[ground.remembered :]
    parts: list[tuple[Items, Bools]] = []
    for fold in range(FOLDS):
        mine = own_folds == fold
        if not mine.any():
            continue
        rest = judged & ~mine
        temperature, chosen = _fit_thresholds(ground, best, rest if rest.any() else judged, purity)
        items = _fused(ground, best, mine).at(temperature)
        parts.append((items, passed(items, list(as_minimum(chosen, ground.lessons.labels).values()))))
    if not parts:
        return {"": Figures(Share(0, 0), Share(0, 0), Share(0, 0))}
    everything = Items(
        np.concatenate([items.found for items, _ in parts]),
        np.concatenate([items.sure for items, _ in parts]),
        np.concatenate([items.truth for items, _ in parts]),
    )
    let_through = np.concatenate([through for _, through in parts])
    return _table(everything, let_through, taught, ground.lessons.labels)


def _figures_before(ground: Ground, judged: Bools, taught: list[int]) -> dict[str, Figures]:
    lessons, old = ground.lessons, ground.base.manifest.thresholds
    if not judged.any():
        return {"": Figures(Share(0, 0), Share(0, 0), Share(0, 0))}
    codes = lessons.codes[judged]
    logits, strange = ground.head.logits(codes), ground.head.strangeness(codes)
    items = by_item(logits, strange, lessons.truth[judged], lessons.items[judged]).at(old.temperature)
    minimum = [old.minimum_score.get(label, 1.0) for label in lessons.labels]
    return _table(items, passed(items, minimum), taught, lessons.labels)


def _table(items: Items, let_through: Bools, taught: list[int], labels: tuple[str, ...]) -> dict[str, Figures]:
    names: list[tuple[str, int | None]] = [("", None), *((labels[n], n) for n in taught)]
    return {name: figures(items, number, let_through) for name, number in names}


def _untaught(ground: Ground, minimum: Mapping[str, float]) -> dict[str, float]:
    """A label that nothing was taught of keeps the number of the base's threshold, or the strictest of the taught ones."""
    lessons = ground.lessons
    taught = {lessons.labels[n] for n in np.unique(lessons.truth) if n != NONE}
    strictest = max((score for label, score in minimum.items() if label in taught and score < 1.0), default=0.0)
    old = ground.base.manifest.thresholds.minimum_score
    return {label: max(old.get(label, 1.0), strictest) for label in lessons.labels if label not in taught}
