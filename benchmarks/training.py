"""Images a second that fine-tuning takes from its pool, against bare `fit` on tensors that lie in memory.

    python benchmarks/training.py [--views 1024] [--rounds 3]

Both train the same network on the same batches, in turns, in one process; the ratio is what the input pipeline
leaves of the bare speed (1.0: it is never waited for).
"""

from __future__ import annotations

import argparse
import os
import statistics
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

from training.batches import FitSettings, PoolBatches, soft_targets  # noqa: E402
from training.efficientnet_lite import FEATURES, build_back  # noqa: E402
from training.finetune import old_knowledge_loss, with_old_head  # noqa: E402
from training.pool import Pool  # noqa: E402

CLASSES, OLD, SHAPE, BLOCKS = 7, 1000, (14, 14, 112), 11


def stored_pool(folder: Path, views: int) -> Pool:
    """A pool on disk as a run has it, filled with noise."""
    rng = np.random.default_rng(0)
    arrays = {"activations": SHAPE, "features": (FEATURES,), "imagenet": (OLD,)}
    for name, shape in arrays.items():
        np.save(folder / f"{name}.npy", rng.normal(0, 1, (views, *shape)).astype(np.float16))
    return Pool(*(np.load(folder / f"{name}.npy", mmap_mode="r") for name in arrays))


def build() -> keras.Model:
    """The trainable back with the old head beside it, as `sorter train` makes it."""
    rng = np.random.default_rng(1)
    head = (rng.normal(0, 0.02, (FEATURES, OLD)).astype(np.float32), np.zeros(OLD, np.float32))
    model = with_old_head(build_back(SHAPE, BLOCKS, CLASSES, 0.2), head)
    losses = [keras.losses.CategoricalCrossentropy(from_logits=True), old_knowledge_loss]
    model.compile(optimizer=keras.optimizers.AdamW(1e-4), loss=losses, loss_weights=[1.0, 0.5])
    return model


def speed(model: keras.Model, views: int, *arguments: Any, **options: Any) -> float:
    """Views a second of one epoch."""
    started = time.perf_counter()
    model.fit(*arguments, epochs=1, verbose=0, **options)
    return views / (time.perf_counter() - started)


def main() -> None:
    """Print both speeds and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--views", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pool = stored_pool(Path(folder), options.views)
        settings = FitSettings()
        targets = soft_targets(np.arange(options.views) % CLASSES, CLASSES, 0.1)
        batches = PoolBatches(pool, targets, np.ones(options.views, np.float32), settings)
        x, (y, old), (weight, ones) = batches[0]
        repeats = len(batches)
        memory_x = np.concatenate([x] * repeats)
        memory_y = [np.concatenate([y] * repeats), np.concatenate([old] * repeats)]
        weights = [np.concatenate([weight] * repeats), np.concatenate([ones] * repeats)]
        model, count = build(), len(memory_x)
        speed(model, count, batches.as_dataset())  # compiles
        speed(model, count, memory_x, memory_y, sample_weight=weights, batch_size=settings.batch)
        pairs = []
        for _ in range(options.rounds):
            bare = speed(model, count, memory_x, memory_y, sample_weight=weights, batch_size=settings.batch)
            pairs.append((speed(model, count, batches.as_dataset()), bare))
        ratio = statistics.median(mine / bare for mine, bare in pairs)
        print(f"fine-tuning from the pool: {statistics.median(p[0] for p in pairs):.1f} images/s")
        print(f"bare fit on tensors:       {statistics.median(p[1] for p in pairs):.1f} images/s")
        print(f"ratio: {ratio:.3f}")


if __name__ == "__main__":
    main()
