"""Hints add what the old classifier says of a label's classes, and nothing else; 1 x 1 convolutions as matrices agree."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers

from edge.errors import ConfigError
from training.fitting.finetune import copied
from training.network.hints import check_hints, find_lifts, hinted
from training.recipe import Hints, Recipe

LABELS = ("glass", "metal")
FEATURES, CLASSES = 5, 7


def back() -> keras.Model:
    image = keras.Input((2, 2, FEATURES))
    features = layers.GlobalAveragePooling2D()(image)
    return keras.Model(image, [layers.Dense(len(LABELS), name="scores")(features), features], name="back")


@settings(max_examples=6)
@given(
    strength=st.floats(0.01, 3.0),
    classes=st.lists(st.lists(st.integers(0, CLASSES - 1), min_size=1, max_size=4), min_size=2, max_size=2),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_hint_is_the_highest_score_of_the_labels_classes(
    strength: float, classes: list[list[int]], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    head = (rng.normal(size=(FEATURES, CLASSES)).astype(np.float32), rng.normal(size=CLASSES).astype(np.float32))
    plain, photos = back(), rng.normal(size=(3, 2, 2, FEATURES)).astype(np.float32)
    hints = Hints(strength=strength, classes={name: tuple(row) for name, row in zip(LABELS, classes, strict=True)})
    scores, features = (np.asarray(part) for part in plain(photos))
    lifts = rng.uniform(0, 2, 2)
    told = np.asarray(hinted(plain, head, hints, LABELS, lifts)(photos)[0])
    old = features @ head[0] + head[1]
    expected = scores + strength * (np.stack([old[:, row].max(axis=1) for row in classes], axis=1) + lifts)
    np.testing.assert_allclose(told, expected, rtol=1e-4, atol=1e-5)


def test_a_class_that_the_backbone_does_not_know_is_refused() -> None:
    with pytest.raises(ConfigError, match="which has 1, got 898"):
        check_hints(Hints(classes={"glass": (0,), "metal": (898,)}), 1)


def test_a_label_whose_classes_are_seldom_found_is_lifted_to_the_mean_label() -> None:
    hints = Hints(classes={"glass": (0,), "metal": (1, 2)})
    old = np.array([[1.0, 3.0, 0.0], [1.0, 0.0, 5.0], [2.0, 7.0, 0.0], [9.0, 9.0, 9.0]])
    labels = np.array([0, 0, 1, -1])  # the mean hints are (1, 4) on glass, (2, 7) on metal
    np.testing.assert_allclose(find_lifts(old, labels, hints, LABELS), [(1.5 + 5.5) / 2 - 1.5, 0.0])


def test_a_recipe_whose_hints_leave_out_a_label_is_refused() -> None:
    photos = [{"tree": "photos"}]
    with pytest.raises(ValueError, match="expected classes for each of the labels glass, metal"):
        Recipe.model_validate(
            {
                "name": "r",
                "labels": LABELS,
                "train": photos,
                "validation": photos,
                "hints": {"classes": {"glass": [440]}},
            }
        )


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
