"""Makes the two models beside it: 32x32 pixels in, the mean of red, green and blue out (needs TensorFlow)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf


def make(dtype: tf.DType) -> bytes:
    """A full-integer model whose three outputs are four times the channels' means over 255."""
    picture = tf.keras.Input((32, 32, 3))
    weights = np.eye(3, dtype=np.float32).reshape(1, 1, 3, 3) * 4 / 255
    scaled = tf.keras.layers.Conv2D(3, 1, use_bias=False)
    pooled = tf.keras.layers.GlobalAveragePooling2D()(scaled(picture))
    model = tf.keras.Model(picture, pooled)
    scaled.set_weights([weights])
    random = np.random.default_rng(1)
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: (
        [picture]
        for picture in [
            *(np.full((1, 32, 32, 3), value, np.float32) for value in (0, 255)),
            *(random.integers(0, 256, (1, 32, 32, 3)).astype(np.float32) for _ in range(8)),
        ]
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = dtype
    converter.inference_output_type = dtype
    return bytes(converter.convert())


if __name__ == "__main__":
    folder = Path(__file__).parent
    (folder / "tiny-uint8.tflite").write_bytes(make(tf.uint8))
    (folder / "tiny-int8.tflite").write_bytes(make(tf.int8))
