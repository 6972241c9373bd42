"""What the training computes on: one processor, a GPU, several GPUs, several machines."""

from __future__ import annotations

import importlib.util
import json
import os
from typing import Any

import keras

from edge.errors import ConfigError


def best_precision() -> str:
    """Return mixed_bfloat16 on a GPU that computes with it (NVIDIA's since 2020), else float32."""
    backend, able = keras.backend.backend(), False
    if backend == "tensorflow":
        import tensorflow as tf

        details = [tf.config.experimental.get_device_details(gpu) for gpu in tf.config.list_physical_devices("GPU")]
        able = bool(details) and all(part.get("compute_capability", (0, 0)) >= (8, 0) for part in details)
    elif backend == "torch":
        import torch

        able = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    elif backend == "jax":
        import jax

        able = all(float(getattr(device, "compute_capability", 0)) >= 8.0 for device in jax.devices())
    return "mixed_bfloat16" if able else "float32"


def on_processors() -> bool:
    """Whether TensorFlow computes, and has no GPU."""
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return not tf.config.list_physical_devices("GPU")


def compiles_fronts() -> bool:
    """Whether the frozen front runs fastest as a LiteRT file in many processes."""
    return on_processors() and importlib.util.find_spec("ai_edge_litert") is not None


def worker_number() -> int:
    """This process's place among the workers that TF_CONFIG names; 0 where there is one only.

    Raises:
        ConfigError: TF_CONFIG is set and can't be understood.
    """
    text = os.environ.get("TF_CONFIG")
    if not text:
        return 0
    try:
        written = json.loads(text)
        workers, number = written["cluster"]["worker"], int(written["task"]["index"])
        if not 0 <= number < len(workers):
            raise ValueError(f"task.index {number} of {len(workers)} workers")
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            'TF_CONFIG: expected {"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}, '
            f"got {text!r} ({error})"
        ) from None
    return number


def open_strategy() -> Any | None:
    """Join the workers of TF_CONFIG, or take all GPUs of this machine; None: one device, no strategy needed.

    Several workers have to be joined before TensorFlow computes anything.
    """
    if keras.backend.backend() != "tensorflow":
        if os.environ.get("TF_CONFIG"):
            raise ConfigError(
                f"TF_CONFIG: several workers need KERAS_BACKEND=tensorflow, got {keras.backend.backend()}"
            )
        return None
    import tensorflow as tf

    worker_number()
    if os.environ.get("TF_CONFIG"):
        return tf.distribute.MultiWorkerMirroredStrategy()
    return tf.distribute.MirroredStrategy() if len(tf.config.list_physical_devices("GPU")) > 1 else None
