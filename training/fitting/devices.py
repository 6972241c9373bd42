"""What the training computes on: one processor, a GPU, several GPUs, several machines."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

from edge.errors import ConfigError, TrainingError

JOIN_TIMEOUT_S = 600  # for all workers to be started
_CPUINFO = Path("/proc/cpuinfo")
SILENCE_S = 60  # a worker that is silent for so long is taken for dead


class WorkersError(TrainingError):
    """The workers of a training can't find one another, or one of them is gone."""


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


def multiplies_halves() -> bool:
    """Whether this processor multiplies bfloat16 faster than float32."""
    try:
        text = _CPUINFO.read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    flags = next((line.split() for line in text.splitlines() if line.startswith("flags")), [])
    return bool({"avx512_bf16", "amx_bf16"} & {*flags})


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
        return _join_workers()
    return tf.distribute.MirroredStrategy() if len(tf.config.list_physical_devices("GPU")) > 1 else None


def _join_workers() -> Any:
    """Meet the other workers of TF_CONFIG.

    Raises:
        WorkersError: one of them did not come in time.
    """
    import tensorflow as tf
    from tensorflow.compiler.xla.tsl.protobuf import coordination_config_pb2
    from tensorflow.python.eager import context

    workers = json.loads(os.environ["TF_CONFIG"])["cluster"]["worker"]
    # The strategy would do the same, but wait for an hour; what is set already it takes as it is.
    context.context().configure_coordination_service(
        service_type="standalone",
        service_leader="/job:worker/replica:0/task:0",
        cluster_register_timeout_in_ms=1000 * JOIN_TIMEOUT_S,
        heartbeat_timeout_in_ms=1000 * SILENCE_S,
        coordinated_jobs=[coordination_config_pb2.CoordinatedJob(name="worker", num_tasks=len(workers))],
    )
    with lost_worker_is_said():
        return tf.distribute.MultiWorkerMirroredStrategy()


@contextlib.contextmanager
def lost_worker_is_said() -> Iterator[None]:
    """Turn what TensorFlow raises where another worker is gone into a sentence."""
    import tensorflow as tf

    errors = tf.errors
    gone = (errors.UnavailableError, errors.AbortedError, errors.CancelledError, errors.DeadlineExceededError)
    try:
        yield
    except (*gone, errors.FailedPreconditionError, errors.InternalError) as error:
        cause = (str(error.message).strip().splitlines() or [""])[0][:160]
        raise WorkersError(
            f"another worker does not answer any more ({cause}): give the same command again on every worker; all go "
            "on from the last epoch that each of them finished"
        ) from None
