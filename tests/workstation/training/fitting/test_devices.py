"""Two devices (processors stand for GPUs) end where one ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np


def weights_after(strategy: Any, folder: Path) -> list[np.ndarray]:
    import keras

    from training.fitting.batches import FitSettings, PoolBatches, soft_targets
    from training.fitting.finetune import fine_tune, with_old_head
    from training.network.efficientnet_lite import BLOCKS, build_back
    from training.rendering.pool import Pool

    keras.utils.set_random_seed(3)
    drawn = np.random.default_rng(0).normal(0, 1, (32, 2, 2, 320)).astype(np.float16)
    pool = Pool(drawn, np.zeros((32, 1280), np.float16), np.zeros((32, 1), np.float16))
    back = build_back((2, 2, 320), BLOCKS, 2, dropout=0.0)
    targets = soft_targets(np.arange(32) % 2, 2, 0.1)
    batches = PoolBatches(pool, targets, np.ones(32, np.float32), FitSettings(epochs=2, batch=8, cutmix=1.0))
    old = (np.zeros((1280, 1), np.float32), np.zeros(1, np.float32))
    fine_tune(with_old_head(back, old), batches, folder, strategy)
    return [np.asarray(weights) for weights in back.get_weights()]


def compare(folder: Path) -> None:
    import tensorflow as tf

    halves = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], halves)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    one, two = weights_after(None, folder / "one"), weights_after(strategy, folder / "two")
    for a, b in zip(one, two, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_two_devices_end_with_the_weights_of_one(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, __file__, str(tmp_path)], check=False, capture_output=True, timeout=900)
    assert done.returncode == 0, done.stderr.decode()[-2000:]


if __name__ == "__main__":
    compare(Path(sys.argv[1]))
