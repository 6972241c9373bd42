"""One training run: views -> frozen front -> probe -> fine-tuning -> the point between both that validation likes."""

from __future__ import annotations

import importlib.metadata
import json
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from edge.errors import ConfigError
from training.efficientnet_lite import FEATURES, build_back, build_front, imagenet_head, load_weights
from training.finetune import FitSettings, fine_tune, interpolate, soft_targets, with_old_head
from training.frozen import compile_float
from training.photos import data_digest
from training.pool import Pool, Studio, ViewPlan, plan_views, render_pool
from training.probe import fit_probe
from training.recipe import Recipe
from training.studio import TrainingSet, build_studio, read_sets
from training.views import ViewSettings

FORMAT = 1
_PLAIN = ViewSettings(composite_share=0.0, plain_share=1.0)
_log = logging.getLogger(__name__)
Progress = Callable[[str, int, int], None]  # what, done, of how many


@dataclass(frozen=True)
class Run:
    """A run folder: run.json, network.keras, curves, the pools (which may be deleted once it is finished)."""

    folder: Path

    @property
    def network(self) -> Path:
        return self.folder / "network.keras"

    def read(self) -> dict[str, Any]:
        """Return run.json.

        Raises:
            ConfigError: this is no finished run, or one of another version.
        """
        file = self.folder / "run.json"
        if not file.is_file():
            raise ConfigError(f"{self.folder}: no finished run (run.json is missing): run 'sorter train' to its end")
        written: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if written.get("format") != FORMAT:
            raise ConfigError(
                f"{self.folder}: expected a run folder of format {FORMAT}, got {written.get('format')}: train anew"
            )
        return written


@dataclass(frozen=True)
class Pools:
    """Training views with their labels, and the validation views under their names."""

    train: Pool
    labels: np.ndarray
    checks: dict[str, tuple[Pool, np.ndarray]]  # validation as it is, and on other backgrounds


def train(recipe: Recipe, data: Path, run: Run, processes: int, on_progress: Progress) -> dict[str, Any]:
    """Make or finish a run; every stage that an interrupted run finished is taken from its folder."""
    training, validation, pools = prepare(recipe, data, run, processes, on_progress)
    network, table, best = fit(recipe, data, pools, run.folder)
    network.save(run.network)
    written = _record(recipe, training, validation, table, best)
    (run.folder / "run.json").write_text(json.dumps(written, indent=2), encoding="utf-8")
    return written


def prepare(
    recipe: Recipe, data: Path, run: Run, processes: int, on_progress: Progress
) -> tuple[TrainingSet, TrainingSet, Pools]:
    """Read the photos and render all views through the frozen front, or find them in the run's folder."""
    run.folder.mkdir(parents=True, exist_ok=True)
    _claim(recipe, run)
    keras.utils.set_random_seed(recipe.seed)
    training, validation = read_sets(recipe.train, data, recipe), read_sets(recipe.validation, data, recipe)
    model = _frozen_model(recipe, data, run)
    return training, validation, _render_all(recipe, data, run, (training, validation), model, processes, on_progress)


def fit(
    recipe: Recipe, data: Path, pools: Pools, folder: Path
) -> tuple[keras.Model, list[dict[str, float]], dict[str, float]]:
    """Probe, fine-tune, and choose the point between both by validation; return network, all points, the chosen one."""
    classes = len(recipe.labels)
    network = build_network(recipe, data)
    back = network.get_layer("back")
    weights = _balance(pools.labels, classes)
    back.get_layer("scores").set_weights(list(fit_probe(pools.train.features, pools.labels, weights, classes)))
    before = back.get_weights()
    targets = soft_targets(pools.labels, classes, recipe.fit.label_smoothing)
    model = with_old_head(back, _old_head(recipe, data))
    shared = recipe.fit.model_dump(exclude={"alphas", "cycles"})
    for number, epochs in enumerate(recipe.fit.cycles):
        settings = FitSettings(**shared, epochs=epochs, seed=recipe.seed + number)
        fine_tune(model, pools.train, targets, weights, settings, folder / f"cycle{number}")
    after = back.get_weights()
    table = _sweep(back, before, after, recipe.fit.alphas, pools)
    best = choose(table, len(pools.checks["plain"][1]), tuple(pools.checks))
    back.set_weights(interpolate(before, after, best["alpha"]))
    return network, table, best


def choose(table: list[dict[str, float]], photos: int, checks: tuple[str, ...]) -> dict[str, float]:
    """The point nearest to the probe that is within one standard error of the best.

    Points that validation can't tell apart differ elsewhere: the less of ImageNet's weights is given up, the
    better a network does on other cameras (Wortsman et al., 2022).
    """
    best = max(table, key=lambda row: row["mean"])
    # All views of a photo stand or fall together: each check has as many independent answers as photos.
    variance = sum(best[name] * (1 - best[name]) / max(photos, 1) for name in checks)
    error = float(np.sqrt(variance)) / len(checks)
    return min((row for row in table if row["mean"] >= best["mean"] - error), key=lambda row: row["alpha"])


def _old_head(recipe: Recipe, data: Path) -> tuple[np.ndarray, np.ndarray]:
    """The classifier whose knowledge is kept; without ImageNet weights there is none to keep: one class, always sure."""
    if recipe.network.weights is None:
        return np.zeros((FEATURES, 1), np.float32), np.zeros(1, np.float32)
    return imagenet_head(data / recipe.network.weights)


def _claim(recipe: Recipe, run: Run) -> None:
    """Write the recipe into the folder, or refuse a folder that another recipe began."""
    file = run.folder / "recipe.json"
    mine = recipe.model_dump_json(indent=2)
    if file.is_file() and file.read_text(encoding="utf-8") != mine:
        raise ConfigError(f"{run.folder}: begun with another recipe: give another --run, or remove the folder")
    file.write_text(mine, encoding="utf-8")


def build_network(recipe: Recipe, data: Path) -> keras.Model:
    """The whole network as it will be converted: pixels minus 127 -> scores."""
    settings = recipe.network
    front = build_front(settings.size, settings.frozen_blocks)
    front.trainable = False
    back = build_back(front.outputs[0].shape[1:], settings.frozen_blocks, len(recipe.labels), settings.dropout)
    if settings.weights is not None:
        load_weights(front, data / settings.weights)
        load_weights(back, data / settings.weights)
    image = keras.Input(front.inputs[0].shape[1:], name="image")
    return keras.Model(image, back(front(image))[0], name=recipe.name)


def _frozen_model(recipe: Recipe, data: Path, run: Run) -> bytes:
    """Activations, features and old classes of the untouched ImageNet network, compiled."""
    file = run.folder / "frozen.tflite"
    if not file.is_file():
        network = build_network(recipe, data)
        front, back = network.get_layer("front"), network.get_layer("back")
        kernel, bias = _old_head(recipe, data)
        old = keras.layers.Dense(len(bias))
        image = keras.Input(front.inputs[0].shape[1:], name="image")
        activations = front(image)
        features = back(activations)[1]
        outputs = [activations, features, old(features)]
        old.set_weights([kernel, bias])
        file.write_bytes(compile_float(keras.Model(image, outputs)))
    return file.read_bytes()


def _render_all(  # noqa: PLR0913
    recipe: Recipe,
    data: Path,
    run: Run,
    sets: tuple[TrainingSet, TrainingSet],
    model: bytes,
    processes: int,
    on_progress: Progress,
) -> Pools:
    training, validation = sets
    cache = run.folder / "masks"
    plan = plan_views(training.labels, training.repeats.tolist(), recipe.rounds, recipe.nothing, recipe.seed)
    studio = build_studio(training, data, recipe, cache)

    def render(name: str, studio: Studio, plan: ViewPlan) -> Pool:
        done = 0

        def count(views: int) -> None:
            nonlocal done
            done += views
            on_progress(name, done, len(plan))

        return render_pool(studio, plan, model, run.folder / "pools" / name, processes, count)

    train_pool = render("train", studio, plan)
    labels = np.where(plan.sources >= 0, training.labels[plan.sources], -1)
    del studio
    other = build_studio(validation, data, recipe, cache, shifted=True)
    whole = Studio(other.sources, other.around, other.geometry, _PLAIN)
    cut = np.repeat([i for i, source in enumerate(other.sources) if source.mask is not None], 3)
    checks = {"plain": (render("plain", whole, ViewPlan(np.arange(len(validation.labels)), 0)), validation.labels)}
    if len(cut):
        checks["shifted"] = (render("shifted", other, ViewPlan(cut, recipe.seed + 94)), validation.labels[cut])
    return Pools(train_pool, labels, checks)


def _balance(labels: np.ndarray, classes: int) -> np.ndarray:
    """Weight each view by the square root of its label's rarity; bare backgrounds count half."""
    counts = np.bincount(labels[labels >= 0], minlength=classes)
    weights = np.sqrt(counts.mean() / np.maximum(counts, 1))
    return np.where(labels >= 0, weights[np.maximum(labels, 0)], 0.5).astype(np.float32)


def _sweep(back: Any, before: Any, after: Any, alphas: tuple[float, ...], pools: Pools) -> list[dict[str, float]]:
    """Top-1 on validation for points between the probe and the fine-tuned weights."""
    table = []
    for alpha in (0.0, *alphas):
        back.set_weights(interpolate(before, after, alpha))
        row = {"alpha": alpha}
        for name, (pool, labels) in pools.checks.items():
            scores = back.predict(pool.activations.astype(np.float32), batch_size=64, verbose=0)[0]
            row[name] = float(np.mean(scores.argmax(axis=1) == labels))
        row["mean"] = float(np.mean([row[name] for name in pools.checks]))
        _log.info("alpha %s: %s", alpha, row)
        table.append(row)
    return table


def _record(
    recipe: Recipe,
    training: TrainingSet,
    validation: TrainingSet,
    table: list[dict[str, float]],
    best: dict[str, float],
) -> dict[str, Any]:
    packages = ("keras", "tensorflow", "numpy", "opencv-python-headless", "scikit-learn")
    return {
        "format": FORMAT,
        "recipe": recipe.model_dump(mode="json"),
        "backend": keras.backend.backend(),
        "data_digest": data_digest(training.photos),
        "photos": len(training.photos),
        "validation_photos": len(validation.photos),
        "packages": {name: importlib.metadata.version(name) for name in packages},
        "processors": os.cpu_count(),
        "sweep": table,
        "chosen": best,
    }
