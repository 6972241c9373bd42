"""Batches of a pool of views: shuffled, some of them mixed; each depends on its epoch and number only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from training.rendering.pool import Pool

TEMPERATURE = 2.0  # how far the old network's classes are softened


@dataclass(frozen=True)
class FitSettings:
    """One cycle of fine-tuning; `keep_imagenet` weighs the distillation from the network's old classifier."""

    epochs: int = 4
    batch: int = 64
    learning_rate: float = 4e-4
    weight_decay: float = 1e-4
    mixup: float = 0.2
    cutmix: float = 0.0
    keep_imagenet: float = 0.5
    policy: str = "float32"
    average: int = 1  # epochs
    half: bool = False  # on processors: products of 16-bit numbers, sums of 32 bits
    seed: int = 1


class PoolBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches of activations with soft labels and the old network's probabilities, some pairs mixed."""

    def __init__(self, pool: Pool, targets: np.ndarray, weights: np.ndarray, settings: FitSettings) -> None:
        super().__init__(workers=1)
        self._pool, self._targets, self._weights = pool, targets, weights
        self._used = np.flatnonzero(weights > 0)  # a view of no weight would only cost time
        self.settings, self.epoch = settings, 0

    def __len__(self) -> int:
        return len(self._used) // self.settings.batch

    def __getitem__(self, index: int) -> tuple[Any, Any, Any]:
        x, y, old, weight = self.flat(self.epoch, index)
        return x, (y, old), (weight, np.ones(len(x), np.float32))

    def on_epoch_end(self) -> None:
        self.epoch += 1

    def flat(self, epoch: int, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """One batch as activations, soft labels, old classes' probabilities, weights: the same in every process."""
        settings = self.settings
        order = np.random.default_rng((settings.seed, epoch)).permutation(len(self._used))
        rows = np.sort(self._used[order][index * settings.batch : (index + 1) * settings.batch])
        x = self._pool.activations[rows].astype(np.float32)
        y, old = self._targets[rows], softened(self._pool.imagenet[rows].astype(np.float32), TEMPERATURE)
        return self._mixed(np.random.default_rng((settings.seed, epoch, index)), x, y, old, self._weights[rows])

    def _mixed(
        self, rng: np.random.Generator, x: np.ndarray, y: np.ndarray, old: np.ndarray, weight: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Half of the batches by mixup (Zhang et al., 2018), of the others half by cutmix (Yun et al., 2019)."""
        settings = self.settings
        if settings.mixup > 0 and rng.random() < 0.5:
            share = np.float32(rng.beta(settings.mixup, settings.mixup))
            other = rng.permutation(len(x))
            x = share * x + (1 - share) * x[other]
        elif settings.cutmix > 0 and rng.random() < 0.5:
            other = rng.permutation(len(x))
            area = _rectangle(x.shape[1], x.shape[2], 1 - rng.beta(settings.cutmix, settings.cutmix), rng)
            x[:, area[0], area[1]] = x[other][:, area[0], area[1]]
            pixels = (area[0].stop - area[0].start) * (area[1].stop - area[1].start)
            share = np.float32(1 - pixels / (x.shape[1] * x.shape[2]))
        else:
            return x, y, old, weight
        y, old = share * y + (1 - share) * y[other], share * old + (1 - share) * old[other]
        return x, y, old, share * weight + (1 - share) * weight[other]

    def as_dataset(self) -> Any:
        """The current epoch as a tf.data pipeline that loads and mixes beside the training step."""
        import tensorflow as tf

        first = self.flat(0, 0)

        def load(index: Any) -> Any:
            parts = tf.numpy_function(lambda i: self.flat(self.epoch, int(i)), [index], [p.dtype for p in first])
            x, y, old, weight = (tf.ensure_shape(p, f.shape) for p, f in zip(parts, first, strict=True))
            return x, (y, old), (weight, tf.ones_like(weight))

        return tf.data.Dataset.range(len(self)).map(load, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def _rectangle(height: int, width: int, share: float, rng: np.random.Generator) -> tuple[slice, slice]:
    """A random rectangle of about this share of the area, inside it, as slices."""
    sides = [round(edge * share**0.5) for edge in (height, width)]
    corner = [int(rng.integers(edge - side + 1)) for edge, side in zip((height, width), sides, strict=True)]
    return slice(corner[0], corner[0] + sides[0]), slice(corner[1], corner[1] + sides[1])


def softened(scores: np.ndarray, temperature: float) -> np.ndarray:
    """Scores to probabilities."""
    raised = np.exp((scores - scores.max(axis=1, keepdims=True)) / temperature)
    return np.asarray(raised / raised.sum(axis=1, keepdims=True), dtype=np.float32)


def soft_targets(labels: np.ndarray, classes: int, smoothing: float) -> np.ndarray:
    """One smoothed row a view; -1 (none of the labels) becomes the uniform row: be unsure."""
    rows = np.full((len(labels), classes), 1.0 / classes, np.float32)
    known = labels >= 0
    rows[known] = smoothing / classes
    rows[np.flatnonzero(known), labels[known]] += 1.0 - smoothing
    return rows


def taught(
    targets: np.ndarray, labels: np.ndarray, teacher: np.ndarray, share: float, temperature: float = TEMPERATURE
) -> np.ndarray:
    """Targets of which `share` is what a teacher says (Hinton et al., 2015); bare backgrounds stay unsure."""
    known = (labels >= 0)[:, None]
    return np.where(known, (1 - share) * targets + share * softened(teacher.astype(np.float32), temperature), targets)
