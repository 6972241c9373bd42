"""Swish and squeeze-and-excitation become 8-bit operators that XNNPACK takes whole."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from converter.quantize import check_operators, quantize_static
from edge.bundle.head import OwnScores
from edge.bundle.manifest import Output
from edge.inference.interpreter import Interpreter
from training.evaluation.evaluate import FloatNetwork, Int8Network
from training.network.backbones import build_backbone
from training.network.frozen_backbone import compile_float, cut_off_head
from training.recipe import Network

VIEWS = np.random.default_rng(0).integers(0, 256, (24, 4, 4, 3)).astype(np.uint8).repeat(16, 1).repeat(16, 2)


def drawn_network(backbone: str, folder: Path) -> keras.Model:
    """The whole network with drawn weights, its statistics taken from the views: without, all scores are near 0."""
    keras.utils.set_random_seed(1)
    built = build_backbone(Network(backbone=backbone, size=64, frozen_blocks=8), 3, folder)
    for part in (built.front, built.back):
        for layer in part._flatten_layers():
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.momentum = 0.0
    built.back(built.front(VIEWS.astype(np.float32) - 127.0, training=True), training=True)
    image = keras.Input((64, 64, 3))
    return keras.Model(image, built.back(built.front(image))[0])


def int8_network(model: bytes) -> Int8Network:
    interpreter = Interpreter(model, "drawn")
    return Int8Network(interpreter, OwnScores(Output(**interpreter.output.model_dump(), kind="logits")))


def test_the_last_layer_of_a_network_becomes_a_head_that_gives_its_scores(tmp_path: Path) -> None:
    built = build_backbone(Network(backbone="EfficientNetB0", size=64, frozen_blocks=8), 3, tmp_path)
    image = keras.Input((64, 64, 3))
    network = keras.Model(image, built.back(built.front(image))[0])
    pixels = VIEWS.astype(np.float32) - 127.0
    backbone, weights, bias = cut_off_head(network)
    cut = backbone.predict(pixels, verbose=0) @ weights.T + bias
    np.testing.assert_allclose(cut, network.predict(pixels, verbose=0), atol=1e-5)


def test_efficientnet_is_taken_whole_and_int8_follows_float(tmp_path: Path) -> None:
    compiled = compile_float(drawn_network("EfficientNetB0", tmp_path))
    quantized = quantize_static(compiled, list(VIEWS))
    operators = check_operators(quantized)
    assert operators.whole
    assert not {"SHAPE", "STRIDED_SLICE", "PACK"} & set(operators.names)
    assert operators.names.count("LOGISTIC") == 49 + 16  # swish, and one gate a block
    exact, rounded = FloatNetwork(compiled), int8_network(quantized)
    pairs = np.array([[exact.scores(view), rounded.scores(view)] for view in VIEWS])
    assert pairs[:, 0].std() > 0.1  # the views differ to it
    # Drawn weights round badly (trained ones far better): what is meant here is that all parts are wired as before.
    assert np.corrcoef(pairs[:, 0].ravel(), pairs[:, 1].ravel())[0, 1] > 0.7
