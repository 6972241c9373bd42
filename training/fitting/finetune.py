"""Fine-tuning of the network's back on a pool of views: cross-entropy, old knowledge kept, weights averaged."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from edge.errors import TrainingError
from training.fitting.batches import TEMPERATURE, FitSettings, PoolBatches
from training.fitting.devices import on_processors

_log = logging.getLogger(__name__)
OnBatch = Callable[[int], None]  # batches done, over all epochs
AVERAGED = "averaged.weights.h5"
EMA = 0.995  # momentum of the weights' running average


def old_knowledge_loss(old: Any, scores: Any) -> Any:
    """Cross-entropy to the old network's softened classes (Li and Hoiem, Learning without Forgetting, 2016)."""
    return -ops.sum(old * ops.log_softmax(scores / TEMPERATURE, axis=-1), axis=-1)


def with_old_head(back: keras.Model, head: tuple[np.ndarray, np.ndarray]) -> keras.Model:
    """Return the back with scores and, beside them, the frozen classifier of its pre-training on its features."""
    old = layers.Dense(head[0].shape[1], name="old", trainable=False)
    scores, features = back.outputs
    model = keras.Model(back.inputs, [scores, old(features)], name="with_old_head")
    old.set_weights(list(head))
    _keep_statistics(model)
    return model


def _keep_statistics(model: keras.Model) -> None:
    """Batch statistics of a few thousand views on one board are worse than ImageNet's."""
    for layer in model._flatten_layers():  # a preset's blocks have layers of their own
        if isinstance(layer, layers.BatchNormalization):
            layer.trainable = False


def learner_of(model: keras.Model, settings: FitSettings) -> keras.Model:
    """A copy that computes as this machine does it best."""
    if settings.policy == "float32" and on_processors():
        from training.fitting.quick_layers import quickened

        return quickened(model, settings.half)
    return copied(model, settings.policy)


def copied(model: keras.Model, policy: str) -> keras.Model:
    """A copy that computes by another dtype policy, its scores still in float32; weights are float32 in both."""

    def clone(layer: Any) -> Any:
        if not isinstance(layer, layers.Layer):  # an operation, such as a bare sum, has no weights and no policy
            return type(layer).from_config(layer.get_config())
        wanted = "float32" if layer.name in ("scores", "old") else policy
        return type(layer).from_config({**layer.get_config(), "dtype": wanted})

    made = keras.models.clone_model(model, clone_function=clone)
    _keep_statistics(made)
    made.set_weights(model.get_weights())
    return made


def check_loss(loss: float, batch: int) -> None:
    """End with a sentence where the loss is no number."""
    if not np.isfinite(loss):
        raise TrainingError(f"the loss became {loss} in batch {batch}: lower the learning rate, look for odd photos")


class _Watch(keras.callbacks.Callback):  # type: ignore[misc]
    """Says which epoch's batches come next, looks at the loss, tells how far it is."""

    def __init__(self, batches: PoolBatches, on_batch: OnBatch) -> None:
        super().__init__()
        self._batches, self._on_batch = batches, on_batch

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._batches.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        check_loss((logs or {}).get("loss", 0.0), batch)
        self._on_batch(self._batches.epoch * len(self._batches) + batch + 1)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        report_epoch(epoch, self._batches.settings, logs["loss"], logs["scores_accuracy"])


def report_epoch(epoch: int, settings: FitSettings, loss: float, accuracy: float) -> None:
    """One line a finished epoch."""
    _log.info("epoch %d of %d: loss %.4f, accuracy %.4f", epoch + 1, settings.epochs, loss, accuracy)


class _EpochEnds(keras.callbacks.Callback):  # type: ignore[misc]
    """Keeps what the network was at the end of the last epochs.

    Their mean needs no new statistics for batch normalization, as after Izmailov et al. (Averaging Weights Leads to
    Wider Optima, 2018): these are frozen, the same in all of them.
    """

    def __init__(self, folder: Path, settings: FitSettings) -> None:
        super().__init__()
        self._folder, self._first = folder, settings.epochs - settings.average

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if epoch >= self._first:
            partial = self._folder / "part.npz"
            np.savez(partial, *self.model.get_weights())
            partial.rename(_end(self._folder, epoch))


def _end(folder: Path, epoch: int) -> Path:
    return folder / f"end{epoch + 1}.npz"


def _averaged(folder: Path, settings: FitSettings) -> list[np.ndarray]:
    """The mean of the last epochs' ends."""
    files = [_end(folder, epoch) for epoch in range(max(0, settings.epochs - settings.average), settings.epochs)]
    sums: list[np.ndarray] = []
    for file in files:
        with np.load(file) as stored:
            parts = [stored[name].astype(np.float64) for name in stored.files]
        sums = [total + part for total, part in zip(sums, parts, strict=True)] if sums else parts
    return [(total / len(files)).astype(np.float32) for total in sums]


def build_optimizer(settings: FitSettings, batches: int, average: bool) -> keras.optimizers.Optimizer:
    """AdamW, its rate warming up and falling along a cosine over all epochs."""
    steps = batches * settings.epochs
    schedule = keras.optimizers.schedules.CosineDecay(
        settings.learning_rate * 0.05,
        steps - steps // 20,
        alpha=0.01,
        warmup_target=settings.learning_rate,
        warmup_steps=max(1, steps // 20),
    )
    return keras.optimizers.AdamW(
        schedule, weight_decay=settings.weight_decay, use_ema=average, ema_momentum=EMA if average else 0.99
    )


def fine_tune(
    model: keras.Model,
    batches: PoolBatches,
    folder: Path,
    strategy: Any | None = None,
    on_batch: OnBatch = lambda _: None,
) -> None:
    """Train in place; an interrupted run goes on at its last finished epoch, a finished one is read, from `folder`.

    `strategy` spreads the batches over several devices or machines, see training/fitting/together.py.
    """
    folder.mkdir(parents=True, exist_ok=True)
    done, settings = folder / "finished.weights.h5", batches.settings
    if done.is_file() and strategy is None:  # of several workers, all have to agree that they are done
        model.load_weights(done)
        return
    if not len(batches):
        raise TrainingError(f"expected at least fit.batch ({settings.batch}) views, got fewer: lower fit.batch")
    keras.utils.set_random_seed(settings.seed)
    if strategy is not None:
        from training.fitting.distributed import fit_distributed

        fit_distributed(model, batches, folder, strategy, on_batch)
    else:
        learner = learner_of(model, settings)
        _fit(learner, batches, folder, on_batch)
        if settings.average > 1:
            model.set_weights(_averaged(folder, settings))
            _save(model, folder / AVERAGED)
        model.set_weights(learner.get_weights())
    _save(model, done)


def _save(model: keras.Model, file: Path) -> None:
    partial = file.with_name("partial.weights.h5")
    model.save_weights(partial)
    partial.rename(file)


def _fit(model: keras.Model, batches: PoolBatches, folder: Path, on_batch: OnBatch) -> None:
    settings = batches.settings
    model.compile(
        optimizer=build_optimizer(settings, len(batches), average=True),
        loss=[keras.losses.CategoricalCrossentropy(from_logits=True), old_knowledge_loss],
        loss_weights=[1.0, settings.keep_imagenet],
        metrics=[["accuracy"], []],
    )
    callbacks = [
        _Watch(batches, on_batch),
        keras.callbacks.BackupAndRestore(str(folder / "backup"), delete_checkpoint=False),
        *([_EpochEnds(folder, settings)] if settings.average > 1 else []),
        keras.callbacks.CSVLogger(str(folder / "curve.csv"), append=True),
    ]
    piped: Any = batches
    if keras.backend.backend() == "tensorflow":
        piped = batches.as_dataset()
        if os.environ.get("SORTER_TENSORBOARD", "1") == "1":
            callbacks.append(keras.callbacks.TensorBoard(str(folder / "tensorboard"), write_graph=False))
    # Built now: a backup is restored before the first step, and would leave out the state of an optimizer that has none.
    model.optimizer.build(model.trainable_variables)
    model.fit(piped, epochs=settings.epochs, callbacks=callbacks, shuffle=False, verbose=0)


def interpolate(before: list[np.ndarray], after: list[np.ndarray], alpha: float) -> list[np.ndarray]:
    """Weights on the straight line between the probe (0) and the fine-tuned network (1) (Wortsman et al., 2022)."""
    return [(1 - alpha) * a + alpha * b for a, b in zip(before, after, strict=True)]
