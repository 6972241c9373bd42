"""What a new place will be like: a network measured on sources that it was never trained on, and thresholds for the worst."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge.bundle.manifest import Thresholds
from edge.system.statistics import NEVER, Threshold, fit_temperature, fit_threshold, softmax
from training.dataset.photos import LabelledPhoto
from training.evaluation.evaluate import BY_SOURCE, Answers, Network, Scored, figures, prepare, score, worst_mistakes
from training.recipe import Recipe
from training.rendering.renderer import read_sets

ENOUGH = 30  # photos that a label is found on, for a source to have a say in its threshold


@dataclass(frozen=True)
class Ground:
    """The scores that networks, by their name, gave the photos of one source, and the right answers."""

    name: str
    scored: Mapping[str, Scored]
    right: Answers
    photos: tuple[LabelledPhoto, ...] = ()


@dataclass(frozen=True)
class Fitted:
    """Thresholds, and for each source the labels whose purity it can't have at any of them."""

    thresholds: Thresholds
    unreached: Mapping[str, tuple[str, ...]]


def measure_left_out(recipe: Recipe, data: Path, networks: Mapping[str, Network]) -> list[Ground]:
    """Score the photos of every source that the recipe leaves out, whole as `sorter classify` would see them."""
    grounds = []
    for photo_set in recipe.left_out:
        photos = read_sets((photo_set,), data, recipe, every_label=False)
        views = prepare(photos.photos, recipe.network.geometry)
        scored = {name: score(network, views) for name, network in networks.items()}
        merged = {name: other for name, other in photo_set.merge.items() if name in recipe.labels}
        right = Answers(photos.labels, recipe.labels, merged)
        grounds.append(Ground(photo_set.name, scored, right, photos.photos))
    return grounds


def fit_by_source(
    own: tuple[np.ndarray, np.ndarray], grounds: Sequence[Ground], names: Sequence[str], purity: float
) -> Fitted:
    """Temperature over all sources, each weighing the same; for each label a threshold that keeps the purity on all.

    `own` are scores and labels of the validation photos, -1 for bare backgrounds. Of a source that is left out photos
    of none of the labels do not count: how many of them come is the place's, not the model's. A source has a say in
    the threshold of a label that it is found on often enough.
    """
    rows = [own, *((ground.scored["int8"].scores, ground.right.labels) for ground in grounds)]
    temperature = fit_temperature(*_alike(rows))
    places = {"validation": _place(own[0], own[1] == own[0].argmax(axis=1), temperature)}
    for ground in grounds:
        known = ground.right.labels >= 0
        scores, truth = ground.scored["int8"].scores[known], ground.right.counted(ground.right.labels[known])
        places[ground.name] = _place(scores, ground.right.counted(scores.argmax(axis=1)) == truth, temperature)
    minimum: dict[str, float] = {}
    unreached: dict[str, list[str]] = {name: [] for name in places}
    for number, label in enumerate(names):
        minimum[label], failing = _threshold(places, number, purity)
        for name in failing:
            unreached[name].append(label)
    thresholds = Thresholds(temperature=temperature, minimum_score=minimum, purity=purity)
    return Fitted(thresholds, {name: tuple(labels) for name, labels in unreached.items()})


@dataclass(frozen=True, eq=False)
class _Place:
    """What was found on the photos of one source, how surely, and whether rightly."""

    found: np.ndarray
    sure: np.ndarray
    right: np.ndarray

    def has_say(self, label: int) -> bool:
        return int(np.sum(self.found == label)) >= ENOUGH

    def fit(self, label: int, purity: float) -> Threshold:
        mine = self.found == label
        return fit_threshold(self.sure[mine], self.right[mine], purity)

    def share(self, label: int, minimum: float) -> float:
        """The share of right ones among those found as a label and sure enough; nothing found is nothing wrong."""
        kept = (self.found == label) & (self.sure >= minimum)
        return float(self.right[kept].mean()) if kept.any() else 1.0


def _place(scores: np.ndarray, right: np.ndarray, temperature: float) -> _Place:
    probabilities = softmax(scores, temperature)
    return _Place(probabilities.argmax(axis=1), probabilities.max(axis=1), right)


def _threshold(places: Mapping[str, _Place], label: int, purity: float) -> tuple[float, list[str]]:
    """The least score that all sources with a say ask for, or above it where one gets worse; and those without the purity.

    A source of which no photo is right asks for none: no score helps it, and it must not cost the others theirs.
    """
    heard = {name: place for name, place in places.items() if place.has_say(label)}
    heard = heard or {"validation": places["validation"]}
    fits = {name: place.fit(label, purity) for name, place in heard.items()}
    lowest = max((fit.minimum_score for fit in fits.values() if fit.right), default=NEVER)
    able = [place for name, place in heard.items() if fits[name].is_reached]
    tried = np.unique(np.concatenate([place.sure[place.found == label] for place in heard.values()]))
    candidates = (min(math.ceil(1000 * score) / 1000, 1.0) for score in (lowest, *tried[tried > lowest]))
    minimum = next(
        (score for score in candidates if all(place.share(label, score) >= purity for place in able)),
        math.ceil(1000 * lowest) / 1000,
    )
    failing = [
        name for name, place in heard.items() if not fits[name].is_reached or place.share(label, minimum) < purity
    ]
    return minimum, failing


def surest_mistakes(
    grounds: Sequence[Ground], temperature: float, count: int
) -> tuple[tuple[LabelledPhoto, str, float], ...]:
    """Of each source the photos that the int8 network is surest about and wrong: photo, label found, probability."""
    found = []
    for ground in grounds:
        for photo, label, sure in worst_mistakes(ground.scored["int8"], ground.right, count, temperature):
            found.append((ground.photos[photo], ground.right.names[label], sure))
    return tuple(found)


def _alike(rows: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Scores and labels of all sources, those of smaller ones repeated, so that each weighs about the same."""
    known = [(scores[labels >= 0], labels[labels >= 0]) for scores, labels in rows if np.any(labels >= 0)]
    largest = max(len(labels) for _, labels in known)
    times = [max(1, round(largest / len(labels))) for _, labels in known]
    return (
        np.concatenate([np.tile(scores, (n, 1)) for (scores, _), n in zip(known, times, strict=True)]),
        np.concatenate([np.tile(labels, n) for (_, labels), n in zip(known, times, strict=True)]),
    )


def figures_by_source(grounds: Sequence[Ground], thresholds: Thresholds) -> dict[str, dict[str, dict[str, Any]]]:
    """The figures of each network on each source, at the thresholds."""
    table: dict[str, dict[str, dict[str, Any]]] = {}
    for ground in grounds:
        for network, scored in ground.scored.items():
            made = figures(scored, ground.right, thresholds)
            table.setdefault(network, {})[ground.name] = {key: made[key] for key in BY_SOURCE if key in made}
    return table
