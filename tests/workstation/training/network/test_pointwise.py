"""1 x 1 convolutions as products of matrices agree with Keras' own."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from training.fitting.finetune import copied


@pytest.mark.parametrize("use_bias", [False, True])
def test_a_convolution_of_one_pixel_is_a_product_of_matrices(use_bias: bool) -> None:
    keras.utils.set_random_seed(1)
    image = keras.Input((6, 4, 3))
    x = layers.Conv2D(8, 3, 2, "same")(image)
    x = layers.Conv2D(5, 1, use_bias=use_bias, activation="relu")(x)
    x = layers.Conv2D(4, 1, strides=2, use_bias=use_bias)(x)
    model = keras.Model(image, x)
    multiplied = copied(model, "float32", multiply=True)
    photos = np.random.default_rng(0).normal(size=(3, 6, 4, 3)).astype(np.float32)
    assert [type(layer).__name__ for layer in multiplied.layers[1:]] == ["Conv2D", "_Pointwise", "Conv2D"]
    np.testing.assert_allclose(np.asarray(multiplied(photos)), np.asarray(model(photos)), rtol=1e-5, atol=1e-6)
