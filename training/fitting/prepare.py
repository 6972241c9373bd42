"""What a run trains on and is measured by: photos read, objects cut out, views rendered through the frozen front."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from training.fitting.label_noise import Judged, judge
from training.network.backbones import begins_from_nothing
from training.network.frozen_backbone import frozen_features, frozen_front
from training.network.runner import Front
from training.recipe import Recipe
from training.rendering.pool import Pool, ViewPlan, ViewRenderer, plan_views, render, render_pool
from training.rendering.renderer import PLAIN, TrainingSet, build_renderer, build_whole_renderer, read_sets
from training.run_folder import Run, claim

_log = logging.getLogger(__name__)
Progress = Callable[[str, int, int], None]  # what, done, of how many


@dataclass(frozen=True)
class Check:
    """Views that a network is measured on; `counts_as` (labels,) maps labels that a source does not tell apart."""

    pool: Pool
    labels: np.ndarray
    counts_as: np.ndarray | None = None

    def top1(self, scores: np.ndarray) -> float:
        """The share named rightly of the views that show one of the labels."""
        known = self.labels >= 0
        truth, found = self.labels[known], scores[known].argmax(axis=1)
        if self.counts_as is not None:
            truth, found = self.counts_as[truth], self.counts_as[found]
        return float(np.mean(truth == found))


@dataclass(frozen=True)
class Pools:
    """Training views with their labels, photos and weights, and what is measured on, under its name.

    `photos` (views,) are indices into the training set, -1: a bare background. The checks are validation as it is
    (plain), validation on other backgrounds (shifted), and each source that is left out.
    """

    train: Pool
    labels: np.ndarray
    checks: dict[str, Check]
    photos: np.ndarray
    training: TrainingSet
    judged: Judged | None = None


def prepare(
    recipe: Recipe, data: Path, run: Run, processes: int, on_progress: Progress
) -> tuple[TrainingSet, TrainingSet, Pools]:
    """Read the photos and render all views through the frozen front, or find them in the run's folder."""
    claim(recipe, run)
    if begins_from_nothing(recipe.network):
        _log.warning(
            "network.weights: none are named: %s begins from random numbers, and learns little from few photos; "
            "a KerasHub preset (efficientnet_lite0_ra_imagenet) brings its own",
            recipe.network.backbone,
        )
    keras.utils.set_random_seed(recipe.seed)
    on_progress("reading the lists of photos", 0, 0)
    training, validation = read_sets(recipe.train, data, recipe), read_sets(recipe.validation, data, recipe)
    on_progress(f"building {recipe.network.backbone}", 0, 0)
    front = frozen_front(recipe, data, run)
    on_progress("loading the photos", 0, 0)
    renderer = _Renderer(recipe, data, run, processes, on_progress)
    pool, plan = renderer.train(training, front)
    checks = renderer.validation(validation, front) | renderer.left_out(front)
    judged = None
    if recipe.label_noise is not None:
        features = renderer.photo_features(training, pool, plan)
        judged = judge(features, training, recipe.label_noise, len(recipe.labels), recipe.seed)
    labels = np.where(plan.sources >= 0, training.labels[plan.sources], -1)
    return training, validation, Pools(pool, labels, checks, plan.sources, training, judged)


@dataclass(frozen=True)
class _Renderer:
    recipe: Recipe
    data: Path
    run: Run
    processes: int
    on_progress: Progress

    def _told(self, name: str, count: int) -> Callable[[int], None]:
        done = 0

        def tell(views: int) -> None:
            nonlocal done
            done += views
            self.on_progress(f"views: {name}", done, count)

        return tell

    def _pool(self, name: str, renderer: ViewRenderer, plan: ViewPlan, front: bytes | Front) -> Pool:
        folder = self.run.folder / "pools" / name
        return render_pool(renderer, plan, front, folder, self.processes, self._told(name, len(plan)))

    def _renderer(self, photos: TrainingSet, shifted: bool = False) -> ViewRenderer:
        return build_renderer(photos, self.data, self.recipe, self.run.masks, shifted)

    def train(self, training: TrainingSet, front: bytes | Front) -> tuple[Pool, ViewPlan]:
        recipe = self.recipe
        plan = plan_views(training.labels, training.repeats.tolist(), recipe.rounds, recipe.nothing, recipe.seed)
        return self._pool("train", self._renderer(training), plan, front), plan

    def validation(self, validation: TrainingSet, front: bytes | Front) -> dict[str, Check]:
        other = self._renderer(validation, shifted=True)
        whole = ViewRenderer(other.sources, other.around, other.geometry, PLAIN)
        plain = self._pool("plain", whole, ViewPlan(np.arange(len(validation.labels)), 0), front)
        checks = {"plain": Check(plain, validation.labels)}
        cut = np.repeat([i for i, source in enumerate(other.sources) if source.is_cut], 3)
        if len(cut):
            shifted = self._pool("shifted", other, ViewPlan(cut, self.recipe.seed + 94), front)
            checks["shifted"] = Check(shifted, validation.labels[cut])
        return checks

    def left_out(self, front: bytes | Front) -> dict[str, Check]:
        """Photos whole of each source that is never trained on."""
        checks = {}
        for photo_set in self.recipe.left_out:
            photos = read_sets((photo_set,), self.data, self.recipe, every_label=False)
            renderer = build_whole_renderer(photos, self.recipe.network.geometry)
            plan, names = ViewPlan(np.arange(len(photos.labels)), 0), self.recipe.labels
            pool = self._pool(f"left-out-{photo_set.name}", renderer, plan, front)
            counts_as = np.array([names.index(photo_set.merge.get(name, name)) for name in names])
            checks[photo_set.name] = Check(pool, photos.labels, counts_as)
        return checks

    def photo_features(self, training: TrainingSet, pool: Pool, plan: ViewPlan) -> np.ndarray:
        """Features of each training photo: of the judging network's own look, or the mean over the pool's views."""
        noise = self.recipe.label_noise
        if noise is None or noise.network is None:
            return _mean_features(pool.features, plan.sources, len(training.labels))
        self.run.judged.mkdir(parents=True, exist_ok=True)
        front = frozen_features(noise.network, self.data, self.run.judged / "judge.tflite")
        renderer = build_whole_renderer(training, noise.network.geometry)
        everything = ViewPlan(np.arange(len(training.labels)), 0)
        told = self._told("judged", len(everything))
        return render(renderer, everything, front, self.run.judged, self.processes, told, ("features",))[0]


def _mean_features(features: np.ndarray, photos: np.ndarray, count: int) -> np.ndarray:
    sums, times = np.zeros((count, features.shape[1])), np.bincount(photos[photos >= 0], minlength=count)
    for start in range(0, len(photos), 4096):
        rows = photos[start : start + 4096]
        known = rows >= 0
        np.add.at(sums, rows[known], features[start : start + 4096][known].astype(np.float64))
    return sums / np.maximum(times, 1)[:, None]
