"""One training run: views -> frozen front -> probe -> fine-tuning -> the point between both that its checks like."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from training.dataset.seen import Seen
from training.fitting.batches import FitSettings, PoolBatches, soft_targets, taught
from training.fitting.devices import best_precision, multiplies_halves, open_strategy, worker_number
from training.fitting.finetune import AVERAGED, OnBatch, fine_tune, interpolate, with_old_head
from training.fitting.label_noise import soften
from training.fitting.linear_probe import fit_linear_probe
from training.fitting.prepare import Pools, Progress, prepare
from training.network.backbones import build_backbone
from training.recipe import Recipe, teacher_recipe
from training.run_folder import Run, claim, record

_CHECKS = {"plain": "of the validation photos", "shifted": "of their objects on other backgrounds"}
_log = logging.getLogger(__name__)


def train(recipe: Recipe, data: Path, run: Run, processes: int, on_progress: Progress) -> dict[str, Any]:
    """Make or finish a run; every stage that an interrupted run finished is taken from its folder.

    Of several workers (TF_CONFIG) each keeps a folder, those after the first inside the run's; all end with one network.
    """
    strategy = open_strategy()
    if worker_number():
        run = Run(run.folder / f"worker{worker_number()}")
    with run.locked(wait=False):
        claim(recipe, run)
        teacher = teacher_recipe(recipe)
        if teacher is not None and not (run.teacher.folder / "run.json").is_file():
            run.teacher.folder.mkdir(exist_ok=True)

            def told(what: str, done: int, count: int) -> None:
                on_progress(f"teacher: {what}", done, count)

            _train(teacher, data, run.teacher, processes, told, strategy)
        return _train(recipe, data, run, processes, on_progress, strategy)


def _train(
    recipe: Recipe, data: Path, run: Run, processes: int, on_progress: Progress, strategy: Any | None
) -> dict[str, Any]:
    training, validation, pools = prepare(recipe, data, run, processes, on_progress)
    network, table, best = fit(recipe, data, pools, run.folder, strategy, on_progress)
    network.save(run.network)
    Seen.of(training.photos, validation.photos).save(run.folder)
    written = record(recipe, training, validation, table, best)
    (run.folder / "run.json").write_text(json.dumps(written, indent=2), encoding="utf-8")
    return written


def fit(
    recipe: Recipe,
    data: Path,
    pools: Pools,
    folder: Path,
    strategy: Any | None = None,
    on_progress: Progress = lambda *_: None,
) -> tuple[keras.Model, list[dict[str, float]], dict[str, float]]:
    """Probe, fine-tune, choose the point between both by all checks; return network, all points, the chosen one."""
    classes = len(recipe.labels)
    backbone = build_backbone(recipe.network, classes, data)
    back = backbone.back
    weights = weigh(pools, classes)
    on_progress("fitting the last layer alone", 0, 0)
    back.get_layer("scores").set_weights(list(fit_linear_probe(pools.train.features, pools.labels, weights, classes)))
    before = back.get_weights()
    targets = _targets(recipe, pools)
    model = with_old_head(back, backbone.head)
    for number, settings in enumerate(_cycles(recipe)):
        batches = PoolBatches(pools.train, targets, weights, settings)
        told = _told(on_progress, f"cycle {number + 1}, batches", len(batches) * settings.epochs)
        fine_tune(model, batches, folder / f"cycle{number}", strategy, told)
    ends = [back.get_weights()]
    averaged = folder / f"cycle{len(recipe.fit.cycles) - 1}" / AVERAGED
    if averaged.is_file():
        model.load_weights(averaged)
        ends.append(back.get_weights())

    def at(alpha: float, end: int) -> keras.Model:
        back.set_weights(interpolate(before, ends[end], alpha))
        return back

    table = _sweep(at, recipe.fit.alphas, len(ends), pools, on_progress)
    best = choose(table, len(pools.checks["plain"].labels), tuple(pools.checks))
    return _joined(backbone.front, at(best["alpha"], int(best.get("averaged", 0))), recipe.name), table, best


def _targets(recipe: Recipe, pools: Pools) -> np.ndarray:
    """What each view should be answered with: its label, and what a teacher and other photos say."""
    targets = soft_targets(pools.labels, len(recipe.labels), recipe.fit.label_smoothing)
    if pools.train.teacher is not None:
        fit = recipe.fit
        targets = taught(targets, pools.labels, pools.train.teacher, fit.distill, fit.temperature)
    if recipe.label_noise is not None and pools.judged is not None:
        targets = soften(targets, pools.photos, pools.training, pools.judged, recipe.label_noise.soften)
    return targets


def _told(on_progress: Progress, what: str, count: int) -> OnBatch:
    return lambda done: on_progress(what, done, count)


def _cycles(recipe: Recipe) -> list[FitSettings]:
    fit = recipe.fit
    auto = fit.precision == "auto"
    policy, half = best_precision() if auto else fit.precision, auto and multiplies_halves()
    names = (
        "batch",
        "learning_rate",
        "weight_decay",
        "mixup",
        "cutmix",
        "keep_imagenet",
        "average",
    )
    shared = {name: getattr(fit, name) for name in names}
    return [
        FitSettings(**shared, epochs=epochs, policy=policy, half=half, seed=recipe.seed + number)
        for number, epochs in enumerate(fit.cycles)
    ]


def choose(table: list[dict[str, float]], photos: int, checks: tuple[str, ...]) -> dict[str, float]:
    """The best point, each check weighing the same; without sources that are left out the nearest to the probe that is as good.

    Sources that are left out are checks too: what they show of a new place chooses, and so flatters from then on. Without
    them points within one standard error of the best can't be told apart and differ elsewhere: the less of ImageNet's weights
    is given up, the better a network does on other cameras (Wortsman et al., 2022).
    """
    best = max(table, key=lambda row: row["mean"])
    if not {*checks} <= {*_CHECKS}:
        return best
    # All views of a photo stand or fall together: each check has as many independent answers as photos.
    variance = sum(best[name] * (1 - best[name]) / max(photos, 1) for name in checks)
    error = float(np.sqrt(variance)) / len(checks)
    return min(
        (row for row in table if row["mean"] >= best["mean"] - error),
        key=lambda row: row["alpha"],
    )


def _joined(front: keras.Model, back: keras.Model, name: str) -> keras.Model:
    """The whole network as it will be converted: pixels minus 127 -> scores."""
    front.trainable = False
    image = keras.Input(front.inputs[0].shape[1:], name="image")
    return keras.Model(image, back(front(image))[0], name=name)


def weigh(pools: Pools, classes: int) -> np.ndarray:
    """Weight each view by the square root of its label's rarity and by its source; bare backgrounds count half.

    Views of photos whose label is probably another one weigh nothing.
    """
    labels, photos = pools.labels, np.maximum(pools.photos, 0)
    counts = np.bincount(labels[labels >= 0], minlength=classes)
    by_label = np.sqrt(counts.mean() / np.maximum(counts, 1))
    weights = np.where(labels >= 0, by_label[np.maximum(labels, 0)], 0.5)
    of_photo = np.array([photo_set.weight for photo_set in pools.training.sets])
    if pools.judged is not None:
        of_photo = of_photo * pools.judged.kept
    return np.where(pools.photos >= 0, weights * of_photo[photos], weights).astype(np.float32)


def _sweep(
    at: Callable[[float, int], keras.Model],
    alphas: tuple[float, ...],
    ends: int,
    pools: Pools,
    on_progress: Progress,
) -> list[dict[str, float]]:
    """Top-1 on each check for points between the probe and the fine-tuned weights, and between it and their average."""
    table = []
    points = [(0.0, 0), *((alpha, end) for end in range(ends) for alpha in alphas)]
    for number, (alpha, end) in enumerate(points):
        on_progress("measuring on validation photos", number, len(points))
        back, row = at(alpha, end), {"alpha": alpha}
        if ends > 1:
            row["averaged"] = end
        for name, check in pools.checks.items():
            scores = back.predict(check.pool.activations.astype(np.float32), batch_size=64, verbose=0)[0]
            row[name] = check.top1(scores)
        row["mean"] = float(np.mean([row[name] for name in pools.checks]))
        shares = ", ".join(f"{100 * row[name]:.1f} % {_CHECKS.get(name, f'of {name}')}" for name in pools.checks)
        weights = " (average of the last epochs)" if end else ""
        _log.info("fine-tuned by %.0f %%%s: rightly named %s", 100 * alpha, weights, shares)
        table.append(row)
    return table
