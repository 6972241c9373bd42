"""A training that is killed goes on where it was, and ends as if nothing had happened."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.bundle.preprocess import InputGeometry
from training.rendering.pool import Pool, Source, ViewPlan, ViewRenderer, render_pool
from training.rendering.views import Surroundings, ViewSettings

SHAPE, CLASSES = (2, 2, 320), 2


def noise_pool(activations: Any = None) -> Pool:
    rng = np.random.default_rng(0)
    drawn = rng.normal(0, 1, (32, *SHAPE)).astype(np.float16)
    zeros = np.zeros((32, 1), np.float16)
    return Pool(drawn if activations is None else activations(drawn), np.zeros((32, 1280), np.float16), zeros)


class Deadly(np.ndarray):
    """An array whose process is killed when a batch is read from it for the seventh time."""

    reads = 0

    def __getitem__(self, key: Any) -> Any:
        Deadly.reads += 1
        if Deadly.reads == 7:
            os.kill(os.getpid(), signal.SIGKILL)
        return np.asarray(self)[key]


def network() -> tuple[Any, Any]:
    """A back, and it with the old classifier beside."""
    import keras

    from training.fitting.finetune import with_old_head
    from training.network.efficientnet_lite import BLOCKS, build_back

    keras.utils.set_random_seed(3)
    back = build_back(SHAPE, BLOCKS, CLASSES, dropout=0.0)
    return back, with_old_head(back, (np.zeros((1280, 1), np.float32), np.zeros(1, np.float32)))


def train_on(pool: Pool, folder: Path, average: int = 1) -> list[np.ndarray]:
    from training.fitting.batches import FitSettings, PoolBatches, soft_targets
    from training.fitting.finetune import fine_tune

    back, model = network()
    targets = soft_targets(np.arange(32) % CLASSES, CLASSES, 0.1)
    batches = PoolBatches(pool, targets, np.ones(32, np.float32), FitSettings(epochs=3, batch=8, average=average))
    fine_tune(model, batches, folder)
    return [np.asarray(weights) for weights in back.get_weights()]


def test_a_killed_training_ends_as_an_uninterrupted_one(tmp_path: Path) -> None:
    command = [sys.executable, __file__, str(tmp_path / "killed")]
    killed = subprocess.run(command, check=False, capture_output=True, timeout=300)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()[-2000:]
    resumed = train_on(noise_pool(), tmp_path / "killed")
    whole = train_on(noise_pool(), tmp_path / "whole")
    for a, b in zip(resumed, whole, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_the_last_epochs_are_averaged_beside_the_end_and_frozen_statistics_stay(tmp_path: Path) -> None:
    ends = train_on(noise_pool(), tmp_path, average=2)
    stored = [dict(np.load(tmp_path / f"end{epoch}.npz")) for epoch in (2, 3)]
    assert not (tmp_path / "end1.npz").exists()
    _, model = network()
    model.load_weights(tmp_path / "averaged.weights.h5")
    moved = 0
    for mean, *parts in zip(model.get_weights(), *(end.values() for end in stored), strict=True):
        np.testing.assert_allclose(mean, np.mean(parts, axis=0), atol=1e-7)
        moved += not np.array_equal(*parts)
    assert moved == len(model.trainable_variables)  # no statistic of a normalization
    assert any(not np.array_equal(end, mean) for end, mean in zip(ends, network()[0].get_weights(), strict=True))


class Refusing(ViewRenderer):
    """A renderer that may not be asked for what is already rendered."""

    def view(self, plan: ViewPlan, index: int) -> np.ndarray:
        raise AssertionError(f"view {index} was rendered before")


def test_views_that_are_rendered_are_not_rendered_again(tmp_path: Path, tiny_run: Path) -> None:
    model = (tiny_run / "frozen.tflite").read_bytes()
    geometry = InputGeometry(height=64, width=64, margin=0.0)
    photo = np.full((64, 64, 3), 90, np.uint8)
    plan = ViewPlan(np.zeros(4, int), 1)
    made = ViewRenderer([Source(photo, None, 0)], Surroundings([]), geometry, ViewSettings())
    first = render_pool(made, plan, model, tmp_path / "pool", 1, lambda _: None)
    assert json.loads((tmp_path / "pool" / "done.json").read_text()) == [0]
    again = Refusing(made.sources, made.around, geometry, made.settings)
    second = render_pool(again, plan, model, tmp_path / "pool", 1, lambda _: None)
    np.testing.assert_array_equal(first.features, second.features)


def test_a_loss_that_is_no_number_ends_in_a_sentence(tmp_path: Path) -> None:
    from edge.errors import TrainingError

    with pytest.raises(TrainingError, match=r"the loss became nan .* lower the learning rate"):
        train_on(noise_pool(lambda drawn: np.full_like(drawn, np.nan)), tmp_path)


if __name__ == "__main__":
    train_on(noise_pool(lambda drawn: drawn.view(Deadly)), Path(sys.argv[1]))
