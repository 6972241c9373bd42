"""What the converter refuses, and that it names the culprit."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from converter.convert import ConvertOptions, _gate
from converter.quantize import check_operators, quantize_static
from converter.representative import choose_representative
from edge.errors import ConversionError
from training.network.frozen_backbone import compile_float


def quantized(activation: Any) -> bytes:
    image = keras.Input((32, 32, 3), name="image")
    x = layers.Conv2D(8, 3, 2, "same", name="first")(image)
    x = activation(x)
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 3, padding="same")(x))
    model = keras.Model(image, layers.Dense(3)(x))
    rng = np.random.default_rng(0)
    return quantize_static(compile_float(model), rng.integers(0, 256, (8, 32, 32, 3)).astype(np.uint8))


def test_a_relu6_network_is_taken_whole() -> None:
    assert check_operators(quantized(layers.ReLU(6.0))).whole


def test_an_operator_that_xnnpack_leaves_out_is_named() -> None:
    with pytest.raises(ConversionError, match="leaves out HARD_SWISH"):
        check_operators(quantized(layers.Activation("hard_swish")))


def figures(top1: float, metal: float) -> dict[str, Any]:
    return {"top1": top1, "labels": {"glass": {"recall": 1.0}, "metal": {"recall": metal}}}


def test_the_gate_names_the_label_that_suffers() -> None:
    report = {"float": figures(0.95, 0.9), "int8": figures(0.94, 0.8)}
    with pytest.raises(ConversionError, match=r"loses 1.0 points .* metal suffers most \(10.0 points\)"):
        _gate(report, ConvertOptions(version="1.0"))


def test_the_gate_can_be_overridden_and_lets_small_losses_pass() -> None:
    _gate({"float": figures(0.95, 0.9), "int8": figures(0.94, 0.8)}, ConvertOptions(version="1.0", force=True))
    report: dict[str, Any] = {"float": figures(0.95, 0.9), "int8": figures(0.946, 0.9)}
    _gate(report, ConvertOptions(version="1.0"))
    assert report["gate"]["lost"] == pytest.approx(0.004)


def test_representative_photos_are_of_every_label_and_reach_the_extremes() -> None:
    levels = [*range(100, 150), 2, 250]
    views = [np.full((8, 8, 3), level, np.uint8) for level in levels]
    labels = ["glass"] * 26 + ["metal"] * 26
    chosen = choose_representative(views, labels, 8)
    assert len(set(chosen)) == 8
    assert sum(labels[index] == "glass" for index in chosen) == 4
    assert {50, 51} <= set(chosen)
