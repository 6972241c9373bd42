"""Images a second that fine-tuning takes from its pool, against bare `fit` on tensors that lie in memory.

    python benchmarks/training.py [--views 512] [--turns 9]

Both train the same compiled network on batches of the same sizes, in one process, in turns that swap who goes first;
each turn gives one ratio: what the input pipeline leaves of the bare speed (1.0: it is never waited for). The median
counts, and the middle half of the ratios says how far to trust it.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# This folder's training.py would be found before the package of that name.
sys.path[0] = str(Path(__file__).resolve().parents[1])

import keras  # noqa: E402
import numpy as np  # noqa: E402

from training.fitting.batches import FitSettings, PoolBatches, soft_targets  # noqa: E402
from training.fitting.devices import best_precision, multiplies_halves  # noqa: E402
from training.fitting.finetune import build_optimizer, learner_of, old_knowledge_loss, with_old_head  # noqa: E402
from training.network.efficientnet_lite import FEATURES, build_back  # noqa: E402
from training.rendering.pool import Pool  # noqa: E402

CLASSES, OLD, SHAPE, BLOCKS = 7, 1000, (14, 14, 112), 11


def stored_pool(folder: Path, views: int) -> Pool:
    """A pool on disk as a run has it, filled with noise."""
    rng = np.random.default_rng(0)
    arrays = {"activations": SHAPE, "features": (FEATURES,), "imagenet": (OLD,)}
    for name, shape in arrays.items():
        np.save(folder / f"{name}.npy", rng.normal(0, 1, (views, *shape)).astype(np.float16))
    return Pool(*(np.load(folder / f"{name}.npy", mmap_mode="r") for name in arrays))


def build(settings: FitSettings, steps: int) -> keras.Model:
    """The trainable back with the old head beside it, copied and compiled as `sorter train` does."""
    rng = np.random.default_rng(1)
    head = (rng.normal(0, 0.02, (FEATURES, OLD)).astype(np.float32), np.zeros(OLD, np.float32))
    back = with_old_head(build_back(SHAPE, BLOCKS, CLASSES, 0.2), head)
    model = learner_of(back, settings)
    model.compile(
        optimizer=build_optimizer(settings, steps, average=True),
        loss=[keras.losses.CategoricalCrossentropy(from_logits=True), old_knowledge_loss],
        loss_weights=[1.0, settings.keep_imagenet],
        metrics=[["accuracy"], []],
    )
    return model


def in_memory(batches: PoolBatches) -> dict[str, Any]:
    """What bare `fit` is given: as many batches as the pool has, all of them the first one, ready to use."""
    x, (y, old), (weight, ones) = batches[0]
    x, y, old, weight, ones = (np.concatenate([part] * len(batches)) for part in (x, y, old, weight, ones))
    return {"x": x, "y": [y, old], "sample_weight": [weight, ones], "batch_size": batches.settings.batch}


def speed(model: keras.Model, batches: PoolBatches, given: dict[str, Any]) -> float:
    """Views a second of one epoch."""
    started = time.perf_counter()
    model.fit(**given, epochs=1, shuffle=False, verbose=0)
    return len(batches) * batches.settings.batch / (time.perf_counter() - started)


def measure(folder: Path, views: int, turns: int) -> np.ndarray:
    """Views a second, (turns, 2): from the pool, and from memory."""
    settings = FitSettings(policy=best_precision(), half=multiplies_halves())
    targets = soft_targets(np.arange(views) % CLASSES, CLASSES, 0.1)
    batches = PoolBatches(stored_pool(folder, views), targets, np.ones(views, np.float32), settings)
    model, memory = build(settings, len(batches)), in_memory(batches)
    rows = np.zeros((turns + 1, 2))
    for turn in range(turns + 1):
        for side in (0, 1) if turn % 2 else (1, 0):
            given = memory if side else {"x": batches.as_dataset()}
            rows[turn, side] = speed(model, batches, given)
        batches.on_epoch_end()
    return rows[1:]  # the first turn compiles


def main() -> None:
    """Print both speeds and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--views", type=int, default=512)
    parser.add_argument("--turns", type=int, default=9)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(Path(folder), options.views, options.turns)
    low, ratio, high = np.percentile(rows[:, 0] / rows[:, 1], [25, 50, 75])
    pool, bare = np.median(rows, axis=0)
    print(f"fine-tuning from the pool: {pool:.1f} images/s")
    print(f"bare fit on tensors:       {bare:.1f} images/s")
    print(f"ratio: {ratio:.3f} (median of {options.turns} turns, the middle half from {low:.3f} to {high:.3f})")


if __name__ == "__main__":
    main()
