"""The layers that train faster on processors give what Keras' own give: scores, and the gradient of every weight."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

from training.fitting.finetune import copied
from training.fitting.quick_layers import quickened


def small_network() -> keras.Model:
    """All kinds of convolutions that backbones have, before and after frozen batch normalization."""
    keras.utils.set_random_seed(1)
    x = image = keras.Input((9, 8, 3))
    for number, (kernel, stride, use_bias) in enumerate(((5, 1, False), (5, 2, False), (3, 2, True), (7, 1, False))):
        x = layers.Conv2D(6, 1, use_bias=use_bias, name=f"expand{number}")(x)
        x = layers.ReLU(6.0)(layers.BatchNormalization(epsilon=1e-3, name=f"bn{number}")(x))
        x = layers.DepthwiseConv2D(kernel, stride, "same", use_bias=use_bias, name=f"depthwise{number}")(x)
        x = layers.BatchNormalization(scale=number != 1, center=number != 2, name=f"bn_depthwise{number}")(x)
        y = layers.Conv2D(6, 1, use_bias=False, name=f"project{number}")(x)
        x = layers.Add()([x, layers.BatchNormalization(name=f"bn_project{number}")(y)])
    x = layers.Conv2D(5, 1, activation="relu", name="twice_used")(x)
    x = layers.Concatenate()([x, layers.BatchNormalization(name="bn_beside")(x)])
    x = layers.Conv2D(5, 1, strides=2, use_bias=False, name="strided")(
        layers.Conv2D(4, 3, padding="same", name="square")(x)
    )
    model = keras.Model(image, layers.Dense(2, name="scores")(layers.GlobalAveragePooling2D()(x)))
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in layer.get_weights()])
            layer.trainable = False
    return model


def answers(model: keras.Model, photos: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Scores, and gradients of all that learns."""
    import tensorflow as tf

    with tf.GradientTape() as tape:
        scores = model(photos, training=True)
        loss = ops.sum(ops.square(scores - 1.0))
    gradients: list[Any] = tape.gradient(loss, [variable.value for variable in model.trainable_variables])
    return np.asarray(scores), [np.asarray(gradient) for gradient in gradients]


def test_scores_and_gradients_are_those_of_keras_own_layers() -> None:
    model = small_network()
    quick = quickened(model, half=False)
    kinds = {layer.name: type(layer).__name__ for layer in quick.layers}
    assert (kinds["expand0"], kinds["depthwise1"], kinds["bn0"]) == ("_Pointwise", "_Depthwise", "_Folded")
    # A bias between, or another reader of what the convolution gives: the normalization is computed by itself.
    assert (kinds["bn2"], kinds["bn_beside"]) == ("BatchNormalization", "BatchNormalization")
    assert (kinds["strided"], kinds["square"]) == ("Conv2D", "Conv2D")
    assert [v.path for v in quick.trainable_variables] == [v.path for v in model.trainable_variables]
    photos = np.random.default_rng(0).normal(size=(3, 9, 8, 3)).astype(np.float32)
    (scores, gradients), (expected, theirs) = answers(quick, photos), answers(copied(model, "float32"), photos)
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)
    for mine, other in zip(gradients, theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-3, atol=1e-3 * np.abs(other).max())


def test_products_of_short_numbers_are_near_and_what_learns_stays_long() -> None:
    model = small_network()
    quick = quickened(model, half=True)
    assert {variable.dtype for variable in quick.variables} == {"float32"}
    photos = np.random.default_rng(0).normal(size=(3, 9, 8, 3)).astype(np.float32)
    (scores, _), (expected, _) = answers(quick, photos), answers(model, photos)
    assert 0 < np.abs(scores - expected).max() < 0.03 * np.abs(expected).max()


@pytest.mark.parametrize("half", [False, True])
def test_weights_go_back_and_forth_unchanged(half: bool) -> None:
    model = small_network()
    for mine, other in zip(quickened(model, half).get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)
