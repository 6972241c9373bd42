"""Fine-tuning by several replicas (GPUs, machines) at once: each takes its part of the very same batches.

Keras' own `fit` can't: under several workers it stops at a value of each replica where it wants one tensor, and under
several GPUs its weight average is written by all of them at once. A step of our own is short and ends with the
same weights as one device.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from training.fitting.batches import PoolBatches
from training.fitting.devices import lost_worker_is_said
from training.fitting.finetune import (
    EMA,
    OnBatch,
    build_optimizer,
    check_loss,
    copied,
    old_knowledge_loss,
    report_epoch,
)


class _Replicas:
    """One copy of the network on each replica, its optimizer, and the running average of its weights."""

    def __init__(self, model: keras.Model, batches: PoolBatches, strategy: Any) -> None:
        self.strategy, self._batches, settings = strategy, batches, batches.settings
        with strategy.scope():
            self.learner = copied(model, settings.policy)
            self._optimizer = build_optimizer(settings, len(batches), average=False)
            self._optimizer.build(self.learner.trainable_variables)
            self.averages = [tf.Variable(variable.value) for variable in self.learner.trainable_variables]
        self.step = tf.function(self._step)
        self._specs = [tf.TensorSpec((None, *part.shape[1:]), part.dtype) for part in batches.flat(0, 0)]

    @property
    def variables(self) -> list[Any]:
        return [
            *(v.value for v in self.learner.variables),
            *(v.value for v in self._optimizer.variables),
            *self.averages,
        ]

    def agree(self) -> None:
        """Set every replica to the mean of all: other processors round a probe's weights otherwise."""
        for variable in self.learner.variables:
            if "float" in variable.dtype:
                mine = self.strategy.run(lambda v=variable: tf.identity(v.value))
                variable.value.assign(self.strategy.reduce("MEAN", mine, axis=None))

    def dataset(self, epoch: int) -> Any:
        """The epoch's batches, each cut into as many parts as there are replicas."""

        def pipeline(context: Any) -> Any:
            mine = context.num_replicas_in_sync // context.num_input_pipelines
            first, count = context.input_pipeline_id * mine, context.num_replicas_in_sync

            def part(number: Any) -> list[np.ndarray]:
                index, replica = divmod(int(number), mine)
                return [rows[first + replica :: count] for rows in self._batches.flat(epoch, index)]

            def load(number: Any) -> tuple[Any, ...]:
                parts = tf.numpy_function(part, [number], [spec.dtype for spec in self._specs])
                return tuple(tf.ensure_shape(p, spec.shape) for p, spec in zip(parts, self._specs, strict=True))

            return tf.data.Dataset.range(len(self._batches) * mine).map(load, tf.data.AUTOTUNE).prefetch(2)

        return self.strategy.distribute_datasets_from_function(pipeline)

    def _step(self, batch: tuple[Any, ...]) -> tuple[Any, Any]:
        loss, right = self.strategy.run(self._replica_step, args=batch)
        # Out here each average is written once, after all replicas have taken their step.
        momentum = tf.where(self._optimizer.iterations.value > 1, EMA, 0.0)
        for average, variable in zip(self.averages, self.learner.trainable_variables, strict=True):
            average.assign(momentum * average + (1 - momentum) * variable.value)
        return self.strategy.reduce("SUM", loss, axis=None), self.strategy.reduce("SUM", right, axis=None)

    def _replica_step(self, x: Any, y: Any, old: Any, weight: Any) -> tuple[Any, Any]:
        """This replica's share of the mean over the whole batch, so that gradients add up."""
        settings = self._batches.settings
        variables = self.learner.trainable_variables
        with tf.GradientTape() as tape:
            scores, old_scores = self.learner(x, training=True)
            errors = -ops.sum(y * ops.log_softmax(scores), axis=-1) * weight
            errors = errors + settings.keep_imagenet * old_knowledge_loss(old, old_scores)
            loss = ops.sum(errors) / settings.batch
        self._optimizer.apply(tape.gradient(loss, [variable.value for variable in variables]), variables)
        right = ops.sum(ops.cast(ops.argmax(scores, -1) == ops.argmax(y, -1), "float32")) / settings.batch
        return loss, right

    def common_epoch(self, epoch: int) -> int:
        """The earliest of all workers' epochs: one may have been killed before it wrote what another did."""

        def gather() -> Any:
            return tf.distribute.get_replica_context().all_gather(tf.constant([epoch]), axis=0)

        found = self.strategy.run(tf.function(gather))
        return int(np.min(self.strategy.experimental_local_results(found)[0].numpy()))


def fit_distributed(model: keras.Model, batches: PoolBatches, folder: Path, strategy: Any, on_batch: OnBatch) -> None:
    """Train in place; every worker calls this with the same batches and its own folder.

    Raises:
        WorkersError: another worker is gone.
    """
    with lost_worker_is_said():
        _fit_distributed(model, batches, folder, strategy, on_batch)


def _fit_distributed(model: keras.Model, batches: PoolBatches, folder: Path, strategy: Any, on_batch: OnBatch) -> None:
    settings, steps = batches.settings, len(batches)
    replicas = _Replicas(model, batches, strategy)
    replicas.agree()
    first = replicas.common_epoch(max((int(file.stem[5:]) for file in folder.glob("epoch*.npz")), default=0))
    if first:
        _restore(replicas.variables, folder / f"epoch{first}.npz")
    for epoch in range(first, settings.epochs):
        sums = np.zeros(2)
        for batch, rows in enumerate(replicas.dataset(epoch)):
            loss, right = (float(part) for part in replicas.step(rows))
            check_loss(loss, batch)
            sums += loss, right
            on_batch(epoch * steps + batch + 1)
        report_epoch(epoch, settings, *(sums / steps))
        _curve(folder / "curve.csv", epoch, sums / steps)
        _keep(replicas.variables, folder / f"epoch{epoch + 1}.npz")
        (folder / f"epoch{epoch - 1}.npz").unlink(missing_ok=True)
    for variable, average in zip(model.trainable_variables, replicas.averages, strict=True):
        variable.assign(average.numpy())


def _keep(variables: list[Any], file: Path) -> None:
    partial = file.with_name(f"part-{file.name}")
    np.savez(partial, *(variable.numpy() for variable in variables))
    partial.rename(file)


def _restore(variables: list[Any], file: Path) -> None:
    with np.load(file) as stored:
        for number, variable in enumerate(variables):
            variable.assign(stored[f"arr_{number}"])


def _curve(file: Path, epoch: int, figures: np.ndarray) -> None:
    new = not file.is_file()
    with file.open("a", newline="", encoding="utf-8") as lines:
        writer = csv.writer(lines)
        if new:
            writer.writerow(("epoch", "loss", "accuracy"))
        writer.writerow((epoch, *figures.tolist()))
