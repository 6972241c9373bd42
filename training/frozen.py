"""The frozen front of the network, compiled to LiteRT: the same numbers as Keras on a CPU, several times faster."""

from __future__ import annotations

import tempfile
from typing import Any

import keras
import numpy as np


def compile_float(model: keras.Model) -> bytes:
    """Return a float TFLite flatbuffer of a Keras model with a fixed batch of 1 (needs TensorFlow)."""
    import tensorflow as tf  # noqa: PLC0415  (only conversion needs it)

    with tempfile.TemporaryDirectory() as folder:
        module = tf.Module()
        module.model = model
        shape = (1, *model.inputs[0].shape[1:])
        tf.saved_model.save(module, folder, signatures={"serving_default": _named(tf, model, shape)})
        content: bytes = tf.lite.TFLiteConverter.from_saved_model(folder).convert()
    return content


def _named(tf: Any, model: keras.Model, shape: tuple[int, ...]) -> Any:
    @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32, name="image")])  # type: ignore[untyped-decorator]
    def serve(image: Any) -> Any:
        outputs = model(image, training=False)
        outputs = outputs if isinstance(outputs, (list, tuple)) else [outputs]
        return {f"output_{index}": output for index, output in enumerate(outputs)}

    return serve


class FloatRunner:
    """Runs a float flatbuffer on prepared crops, one at a time, on one thread."""

    def __init__(self, content: bytes, threads: int = 1) -> None:
        from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415

        self._interpreter = Interpreter(model_content=content, num_threads=threads)
        self._runner = self._interpreter.get_signature_runner("serving_default")

    def run(self, view: np.ndarray) -> list[np.ndarray]:
        """Outputs in the model's order, each without the batch axis, for uint8 (height, width, 3)."""
        result = self._runner(image=(view.astype(np.float32) - 127.0)[None])
        return [result[name][0] for name in sorted(result)]
