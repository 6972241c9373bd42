"""Fine-tuning of the network's back on a pool of views: cross-entropy, old knowledge kept, weights averaged."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from edge.errors import SorterError
from training.pool import Pool


class TrainingError(SorterError):
    """Training can't go on."""


@dataclass(frozen=True)
class FitSettings:
    """How the back is fine-tuned; `keep_imagenet` weighs the distillation from the network's old classifier."""

    epochs: int = 4
    batch: int = 64
    learning_rate: float = 4e-4
    weight_decay: float = 1e-4
    label_smoothing: float = 0.1
    mixup: float = 0.2
    keep_imagenet: float = 0.5
    seed: int = 1


class PoolBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """Shuffled batches of activations with soft labels and the old network's probabilities, some pairs mixed."""

    def __init__(self, pool: Pool, targets: np.ndarray, weights: np.ndarray, settings: FitSettings) -> None:
        super().__init__(workers=1)
        self._pool, self._targets, self._weights, self._settings = pool, targets, weights, settings
        self._epoch = 0
        self._order = self._shuffled()

    def _shuffled(self) -> np.ndarray:
        return np.random.default_rng((self._settings.seed, self._epoch)).permutation(len(self._pool))

    def __len__(self) -> int:
        return len(self._pool) // self._settings.batch

    def __getitem__(self, index: int) -> tuple[Any, Any, Any]:
        settings = self._settings
        rows = np.sort(self._order[index * settings.batch : (index + 1) * settings.batch])
        rng = np.random.default_rng((settings.seed, self._epoch, index))
        x = self._pool.activations[rows].astype(np.float32)
        y, old = self._targets[rows], _softened(self._pool.imagenet[rows].astype(np.float32))
        weight = self._weights[rows]
        if settings.mixup > 0 and rng.random() < 0.5:
            share = np.float32(rng.beta(settings.mixup, settings.mixup))
            other = rng.permutation(len(rows))
            x = share * x + (1 - share) * x[other]
            y, old = share * y + (1 - share) * y[other], share * old + (1 - share) * old[other]
            weight = share * weight + (1 - share) * weight[other]
        return x, (y, old), (weight, np.ones(len(rows), np.float32))

    def on_epoch_end(self) -> None:
        """Shuffle anew; which order an epoch has depends on its number only, so that a resumed run has it too."""
        self.start_epoch(self._epoch + 1)

    def start_epoch(self, epoch: int) -> None:
        self._epoch = epoch
        self._order = self._shuffled()


_TEMPERATURE = 2.0


def _softened(scores: np.ndarray) -> np.ndarray:
    raised = np.exp((scores - scores.max(axis=1, keepdims=True)) / _TEMPERATURE)
    return np.asarray(raised / raised.sum(axis=1, keepdims=True), dtype=np.float32)


def old_knowledge_loss(old: Any, scores: Any) -> Any:
    """Cross-entropy to the old network's softened classes (Li and Hoiem, Learning without Forgetting, 2016)."""
    return -ops.sum(old * ops.log_softmax(scores / _TEMPERATURE, axis=-1), axis=-1)


def soft_targets(labels: np.ndarray, classes: int, smoothing: float) -> np.ndarray:
    """One smoothed row a view; -1 (none of the labels) becomes the uniform row: be unsure."""
    rows = np.full((len(labels), classes), 1.0 / classes, np.float32)
    known = labels >= 0
    rows[known] = smoothing / classes
    rows[np.flatnonzero(known), labels[known]] += 1.0 - smoothing
    return rows


def with_old_head(back: keras.Model, head: tuple[np.ndarray, np.ndarray]) -> keras.Model:
    """Return the back with scores and, beside them, the frozen 1000-way ImageNet classifier on its features."""
    old = layers.Dense(head[0].shape[1], name="old", trainable=False)
    scores, features = back.outputs
    model = keras.Model(back.inputs, [scores, old(features)], name="with_old_head")
    old.set_weights(list(head))
    for layer in model.layers:
        # Batch statistics of a few thousand views on one board are worse than ImageNet's.
        if isinstance(layer, layers.BatchNormalization):
            layer.trainable = False
    return model


class StopOnNan(keras.callbacks.Callback):  # type: ignore[misc]
    """End with a sentence where the loss is no number."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        loss = (logs or {}).get("loss")
        if loss is not None and not np.isfinite(loss):
            raise TrainingError(
                f"the loss became {loss} in batch {batch}: lower the learning rate, look for odd photos"
            )


def fine_tune(
    model: keras.Model, pool: Pool, targets: np.ndarray, weights: np.ndarray, settings: FitSettings, folder: Path
) -> None:
    """Train in place; an interrupted run goes on at its last finished epoch, a finished one is read, from `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    done = folder / "finished.weights.h5"
    if done.is_file():
        model.load_weights(done)
        return
    keras.utils.set_random_seed(settings.seed)
    batches = PoolBatches(pool, targets, weights, settings)
    steps = len(batches) * settings.epochs
    schedule = keras.optimizers.schedules.CosineDecay(
        settings.learning_rate * 0.05,
        steps - steps // 20,
        alpha=0.01,
        warmup_target=settings.learning_rate,
        warmup_steps=max(1, steps // 20),
    )
    model.compile(
        optimizer=keras.optimizers.AdamW(
            schedule, weight_decay=settings.weight_decay, use_ema=True, ema_momentum=0.995
        ),
        loss=[keras.losses.CategoricalCrossentropy(from_logits=True), old_knowledge_loss],
        loss_weights=[1.0, settings.keep_imagenet],
        metrics=[["accuracy"], []],
    )
    callbacks: Sequence[Any] = [
        StopOnNan(),
        keras.callbacks.BackupAndRestore(str(folder / "backup"), delete_checkpoint=False),
        keras.callbacks.CSVLogger(str(folder / "curve.csv"), append=True),
        keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, _: batches.start_epoch(epoch)),
    ]
    if os.environ.get("SORTER_TENSORBOARD", "1") == "1" and keras.backend.backend() == "tensorflow":
        callbacks = [*callbacks, keras.callbacks.TensorBoard(str(folder / "tensorboard"), write_graph=False)]
    # Built now: a backup is restored before the first step, and would leave out the state of an optimizer that has none.
    model.optimizer.build(model.trainable_variables)
    model.fit(batches, epochs=settings.epochs, callbacks=list(callbacks), shuffle=False, verbose=2)
    model.save_weights(done)


def interpolate(before: list[np.ndarray], after: list[np.ndarray], alpha: float) -> list[np.ndarray]:
    """Weights on the straight line between the probe (0) and the fine-tuned network (1) (Wortsman et al., 2022)."""
    return [(1 - alpha) * a + alpha * b for a, b in zip(before, after, strict=True)]
