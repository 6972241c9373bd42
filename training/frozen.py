"""The frozen front of the network, compiled to LiteRT: the same numbers as Keras on a CPU, several times faster."""

from __future__ import annotations

import tempfile
from typing import Any

import keras
import numpy as np


def compile_float(model: keras.Model, half: bool = False) -> bytes:
    """Return a float TFLite flatbuffer of a Keras model with a fixed batch of 1 (needs TensorFlow).

    `half` stores the weights with 16 bits: half the size, the same labels.
    """
    import tensorflow as tf

    shape = (1, *model.inputs[0].shape[1:])
    fixed = keras.Input(batch_shape=shape, name="image")
    outputs = model(fixed, training=False)
    with tempfile.TemporaryDirectory() as folder:
        keras.Model(fixed, outputs).export(folder, format="tf_saved_model", verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        if half:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_types = [tf.float16]
        content: bytes = converter.convert()
    return content


class FloatRunner:
    """Runs a float flatbuffer on prepared crops, one at a time, on one thread."""

    def __init__(self, content: bytes, threads: int = 1) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(model_content=content, num_threads=threads)
        self._runner: Any = self._interpreter.get_signature_runner()
        (self._input,) = self._runner.get_input_details()

    def run(self, view: np.ndarray) -> list[np.ndarray]:
        """Outputs in the model's order, each without the batch axis, for uint8 (height, width, 3)."""
        result = self._runner(**{self._input: (view.astype(np.float32) - 127.0)[None]})
        return [result[name][0] for name in sorted(result)]
