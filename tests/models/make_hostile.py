"""Makes the hostile models beside it, which misbehave on a middling grey picture only (needs TensorFlow).

They load, warm up on black and convert as any other: 32x32 pixels in, three scores out.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

WEIGHTS = tf.constant([[0.2, 0.6, 1.0]])


def is_grey(picture: tf.Tensor) -> tf.Tensor:
    mean = tf.reduce_mean(picture)
    return tf.logical_and(mean < 130.0, mean > 50.0)


def scores(picture: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(picture, axis=[1, 2, 3])[:, None] * WEIGHTS


def hangs(picture: tf.Tensor) -> tf.Tensor:
    """A loop without an end."""
    grey = is_grey(picture)
    count, _ = tf.while_loop(
        lambda count, grey: tf.logical_or(tf.less(count, 1), grey),
        lambda count, grey: (tf.math.floormod(count + 1, 1000) + 1, grey),
        [tf.constant(0), grey],
    )
    return scores(picture) + tf.minimum(tf.cast(count, tf.float32), 0.0)


def greedy(picture: tf.Tensor) -> tf.Tensor:
    """A tensor of 4 GB."""
    numbers = tf.range(0, tf.where(is_grey(picture), int(1e9), 4), 1)
    return scores(picture) + tf.minimum(tf.cast(tf.reduce_max(numbers), tf.float32), 0.0)


def make(network: Callable[[tf.Tensor], tf.Tensor]) -> bytes:
    function = tf.function(network, input_signature=[tf.TensorSpec((1, 32, 32, 3), tf.float32)])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    random = np.random.default_rng(1)

    def bright() -> list[list[np.ndarray]]:
        pictures = [random.integers(170, 256, (1, 32, 32, 3)).astype(np.float32) for _ in range(2)]
        for picture in pictures:
            picture[0, 0, 0] = [0, 255, 255]  # the whole range of the codes
        return [[picture] for picture in pictures]

    converter.representative_dataset = bright
    converter.inference_input_type = tf.uint8
    converter.inference_output_type = tf.uint8
    return bytes(converter.convert())


if __name__ == "__main__":
    for network in (hangs, greedy):
        (Path(__file__).parent / f"{network.__name__}.tflite").write_bytes(make(network))
