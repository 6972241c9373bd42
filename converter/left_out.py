"""What a place never seen will be like, told of sources that the network itself learnt from.

The honest way takes a training for each: a run that left the source out (`sorter train --leave-out`) is measured on it. The
cheap way refits the head alone, on the finished features, without the source: these features were learnt from it too, so
that what comes of it is a bound from above.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from converter.remembered import Sample
from converter.sources import ENOUGH, Ground, measure_left_out
from edge.bundle.head import LinearHead
from edge.bundle.manifest import Thresholds
from edge.errors import ConfigError
from edge.system.statistics import fit_temperature
from edge.teaching.solver import LEAST_SPREAD, Examples, Softmax, fit_softmax
from training.evaluation.evaluate import BY_SOURCE, Answers, FloatNetwork, Scored, figures
from training.network.frozen_backbone import compile_float
from training.recipe import Recipe
from training.run_folder import Run

_STIFFNESS: Final = 3e-3


def measure_trained_without(runs: Iterable[Path], recipe: Recipe, data: Path) -> list[Ground]:
    """By each run the sources that it left out and this recipe trains on, in floating point.

    Raises:
        ConfigError: it is no finished run, has other labels, or left out no source of this recipe.
    """
    grounds: list[Ground] = []
    trained = {photos.name for photos in recipe.train}
    for folder in runs:
        run = Run(folder)
        other = run.recipe()
        if other.labels != recipe.labels:
            raise ConfigError(f"--left-out {folder}: expected a run with the labels {', '.join(recipe.labels)}")
        left_out = tuple(photos for photos in other.left_out if photos.name in trained)
        if not left_out:
            raise ConfigError(
                f"--left-out {folder}: it left out no source that this run trained on: {', '.join(sorted(trained))}"
            )
        network = FloatNetwork(compile_float(run.load_network()))
        only = other.model_copy(update={"left_out": left_out})
        grounds += measure_left_out(only, data, {"int8": network})
    return grounds


def refit_heads(
    sample: Sample, head: LinearHead, names: tuple[str, ...], thresholds: Thresholds
) -> dict[str, dict[str, Any]]:
    """Figures of each source by a head fitted on the sampled photos of the others; one temperature for all of them.

    Sources with fewer photos than have a say, and such without which a label has no photos, are left out.
    """
    real = sample.codes.astype(np.float32) - head.zero_point
    features = np.asarray(real / (real.std(axis=0) + LEAST_SPREAD), np.float32)
    scores: dict[str, NDArray[np.float64]] = {}
    for source in dict.fromkeys(sample.sources.tolist()):
        mine = sample.sources == source
        others = ~mine & (sample.labels >= 0)
        if np.sum(mine & (sample.labels >= 0)) < ENOUGH or len(np.unique(sample.labels[others])) < len(names):
            continue
        start = Softmax(np.zeros((features.shape[1], len(names))), np.zeros(len(names)))
        examples = Examples(features[others], sample.labels[others], np.ones(int(others.sum())))
        scores[source] = fit_softmax(examples, start, _STIFFNESS).logits(features[mine])
    return _figures(scores, sample, names, thresholds)


def _figures(
    scores: dict[str, NDArray[np.float64]], sample: Sample, names: tuple[str, ...], thresholds: Thresholds
) -> dict[str, dict[str, Any]]:
    if not scores:
        return {}
    truth = {source: sample.labels[sample.sources == source] for source in scores}
    known: Sequence[tuple[Any, Any]] = [
        (scores[name][truth[name] >= 0], truth[name][truth[name] >= 0]) for name in scores
    ]
    temperature = fit_temperature(
        np.concatenate([rows for rows, _ in known]), np.concatenate([own for _, own in known])
    )
    at = thresholds.model_copy(update={"temperature": temperature})
    table = {}
    for source, rows in scores.items():
        made = figures(Scored(rows, 0.0), Answers(truth[source], names), at)
        table[source] = {key: made[key] for key in BY_SOURCE if key in made}
    return table
