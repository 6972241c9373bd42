"""Figures of the float network and of the int8 file that ships, on the same photos through the same preprocessing."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from edge.bundle.head import Head
from edge.bundle.manifest import Thresholds
from edge.bundle.preprocess import InputGeometry, prepare_crop
from edge.inference.interpreter import Interpreter
from edge.system.statistics import softmax, wilson_interval
from edge.types import Image
from training.dataset.photos import LabelledPhoto, load_small
from training.evaluation import measures
from training.network.runner import FloatRunner

BY_SOURCE = ("photos", "top1", "top1_interval", "residual_share", "purity_at_thresholds", "unknown")
LONGEST_SIDE = 400  # a crop on a station is about as large; larger photos would only cost memory


class Network(Protocol):
    """Anything that turns a prepared crop into a row of scores."""

    def scores(self, view: Image) -> np.ndarray:
        """Real-valued scores before softmax (labels,)."""

    def look(self, view: Image) -> tuple[np.ndarray, float]:
        """The scores (labels,), and how far the one of "none of these" is above the best of them."""


class Int8Network:
    """The bundle's own file in the device's own runtime."""

    def __init__(self, interpreter: Interpreter, head: Head) -> None:
        self.interpreter = interpreter
        self._head = head

    def scores(self, view: Image) -> np.ndarray:
        return self.look(view)[0]

    def look(self, view: Image) -> tuple[np.ndarray, float]:
        codes = self.interpreter.run(view)
        return self._head.logits(codes), float(self._head.strangeness(codes))


class FloatNetwork:
    """The same network before quantization."""

    def __init__(self, model: bytes) -> None:
        self._runner = FloatRunner(model)

    def scores(self, view: Image) -> np.ndarray:
        return np.asarray(self._runner.run(view)[0], np.float64)

    def look(self, view: Image) -> tuple[np.ndarray, float]:
        return self.scores(view), -np.inf  # that row is fitted to the int8 features


@dataclass(frozen=True)
class Scored:
    """Scores (photos, labels) of one network, the median milliseconds of one inference, and strangeness (photos,)."""

    scores: np.ndarray
    milliseconds: float
    strangeness: np.ndarray | None = None

    @property
    def is_unknown(self) -> np.ndarray:
        """Which photos (photos,) are more like none of the labels than like any."""
        return np.zeros(len(self.scores), bool) if self.strangeness is None else self.strangeness > 0

    def set_back(self, shift: float) -> Scored:
        """The same by a head whose row for none of the labels is set back by so much."""
        return self if self.strangeness is None else replace(self, strangeness=self.strangeness - shift)

    def only(self, mine: np.ndarray) -> Scored:
        """Of these photos alone."""
        return replace(
            self, scores=self.scores[mine], strangeness=None if self.strangeness is None else self.strangeness[mine]
        )


@dataclass(frozen=True)
class Answers:
    """The true labels as indices (-1: none of the network's), and which label another counts as."""

    labels: np.ndarray
    names: tuple[str, ...]
    merged: Mapping[str, str] = field(default_factory=dict)

    def counted(self, indices: np.ndarray) -> np.ndarray:
        """Replace the index of a merged label by that of the label that it counts as."""
        target = np.array([self.names.index(self.merged.get(name, name)) for name in self.names] + [-1])
        return np.asarray(target[indices])


def answers(photos: Sequence[LabelledPhoto], names: tuple[str, ...], merged: Mapping[str, str]) -> Answers:
    """Look up the labels of photos; a label that the network does not know is -1."""
    index = {name: number for number, name in enumerate(names)}
    return Answers(np.array([index.get(photo.label, -1) for photo in photos]), names, merged)


def prepare(photos: Sequence[LabelledPhoto], geometry: InputGeometry) -> list[Image]:
    """Every photo whole, as `sorter classify` would prepare it."""
    return [prepare_photo(photo.path, geometry) for photo in photos]


def prepare_photo(path: Path, geometry: InputGeometry) -> Image:
    """A photo whole, brought down first: what the camera of a station gives is no larger."""
    return prepare_crop(load_small(path, LONGEST_SIDE), None, geometry)


def score(network: Network, views: Sequence[Image], on_progress: Callable[[int], None] = lambda _: None) -> Scored:
    """Run a network over prepared crops, one at a time, as on the device."""
    rows, strange, took = [], [], []
    network.look(views[0])
    for number, view in enumerate(views, 1):
        started = time.perf_counter_ns()
        scores, strangeness = network.look(view)
        took.append(time.perf_counter_ns() - started)
        rows.append(scores)
        strange.append(strangeness)
        on_progress(number)
    return Scored(np.array(rows), float(np.median(took)) / 1e6, np.array(strange))


def figures(scored: Scored, right: Answers, thresholds: Thresholds) -> dict[str, Any]:
    """All figures of one network, in plain names."""
    probabilities = softmax(scored.scores, thresholds.temperature)
    known = right.labels >= 0
    truth, found = right.counted(right.labels[known]), right.counted(probabilities[known].argmax(axis=1))
    correct, count = int(np.sum(truth == found)), int(known.sum())
    minimum = np.array([thresholds.minimum_score[name] for name in right.names])
    best = probabilities.argmax(axis=1)
    residual = (probabilities.max(axis=1) < minimum[best]) | scored.is_unknown
    kept = known & ~residual
    result: dict[str, Any] = {
        "top1": correct / count if count else None,
        "top1_interval": wilson_interval(correct, count) if count else None,
        "photos": count,
        "milliseconds": scored.milliseconds,
        "ece": measures.calibration_error(probabilities[known], right.labels[known]) if count else None,
        "residual_share": float(residual[known].mean()) if count else None,
        "called_unknown": float(scored.is_unknown[known].mean()) if count else None,
        "purity_at_thresholds": float(np.mean(right.counted(best[kept]) == right.counted(right.labels[kept])))
        if kept.any()
        else None,
    }
    if count:
        table = measures.confusion(truth, found, len(right.names))
        result["labels"] = measures.per_label(table, right.names)
        result["confusion"] = {"labels": list(right.names), "counts": table.tolist()}
        result["reliability"] = measures.reliability(probabilities[known], right.labels[known])
        result["risk_coverage"] = measures.risk_coverage(probabilities[known], right.labels[known])
    if (~known).any():
        sure = probabilities.max(axis=1)
        result["unknown"] = {
            "photos": int((~known).sum()),
            "residual_share": float(residual[~known].mean()),
            "auroc": measures.rejection_auroc(sure[known], sure[~known]),
            "called_unknown": float(scored.is_unknown[~known].mean()),
            "auroc_unknown": _auroc_unknown(scored, known),
        }
    return result


def _auroc_unknown(scored: Scored, known: np.ndarray) -> float | None:
    """How well the row for none of the labels tells them apart; None without such a row."""
    if scored.strangeness is None or not np.isfinite(scored.strangeness).any():
        return None
    return measures.rejection_auroc(-scored.strangeness[known], -scored.strangeness[~known])


def by_source(
    scored: Scored, sources: Sequence[str], right: Answers, thresholds: Thresholds
) -> dict[str, dict[str, Any]]:
    """The figures of each source alone, in order of name: how a model does on average hides where it fails."""
    given = np.array(sources)
    table = {}
    for name in sorted(set(sources)):
        mine = given == name
        made = figures(scored.only(mine), Answers(right.labels[mine], right.names, right.merged), thresholds)
        table[name] = {key: made[key] for key in BY_SOURCE if key in made}
    return table


def by_folder(
    scored: Scored, photos: Sequence[LabelledPhoto], right: Answers, thresholds: Thresholds
) -> dict[str, float]:
    """For each folder of none of the labels, the share that goes to residual at the thresholds."""
    probabilities = softmax(scored.scores, thresholds.temperature)
    minimum = np.array([thresholds.minimum_score[name] for name in right.names])
    residual = (probabilities.max(axis=1) < minimum[probabilities.argmax(axis=1)]) | scored.is_unknown
    given = np.array([photo.label for photo in photos])
    unknown = sorted(set(given[right.labels < 0].tolist()))
    return {name: float(residual[given == name].mean()) for name in unknown}


def worst_mistakes(scored: Scored, right: Answers, count: int, temperature: float) -> list[tuple[int, int, float]]:
    """(photo, found label, probability) of the surest wrong answers."""
    probabilities = softmax(scored.scores, temperature)
    found, sure = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero((right.labels < 0) | (right.counted(found) != right.counted(right.labels)))
    order = wrong[np.argsort(-sure[wrong], kind="stable")][:count]
    return [(int(photo), int(found[photo]), float(sure[photo])) for photo in order]
