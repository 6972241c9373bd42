"""Training on several GPUs or several machines: the scope that everything with weights is made in."""

from __future__ import annotations

import contextlib
import json
import os
from contextlib import AbstractContextManager

import keras

from edge.errors import ConfigError


def scope(strategy: str) -> AbstractContextManager[object]:
    """Return the strategy's scope: `none`, `mirrored`, or `workers` with the cluster taken from TF_CONFIG.

    Raises:
        ConfigError: an unknown name, TF_CONFIG missing or no JSON, or another Keras backend than TensorFlow.
    """
    if strategy == "none":
        return contextlib.nullcontext()
    if strategy not in ("mirrored", "workers"):
        raise ConfigError(f"expected --strategy none, mirrored or workers, got {strategy!r}")
    if keras.backend.backend() != "tensorflow":
        raise ConfigError(f"--strategy {strategy} needs KERAS_BACKEND=tensorflow, got {keras.backend.backend()}")
    import tensorflow as tf

    if strategy == "mirrored":
        scope: AbstractContextManager[object] = tf.distribute.MirroredStrategy().scope()
        return scope
    try:
        cluster = json.loads(os.environ["TF_CONFIG"])["cluster"]["worker"]
    except (KeyError, TypeError, ValueError):
        raise ConfigError(
            '--strategy workers needs TF_CONFIG, such as {"cluster": {"worker": ["a:2222", "b:2222"]}, '
            '"task": {"type": "worker", "index": 0}}'
        ) from None
    if not cluster:
        raise ConfigError("TF_CONFIG names no worker")
    workers: AbstractContextManager[object] = tf.distribute.MultiWorkerMirroredStrategy().scope()
    return workers
