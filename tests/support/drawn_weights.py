"""Weights for EfficientNet-Lite0 that nobody trained, in the file format that `sorter train` reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

BATCH_NORMALIZATION = ("weight", "bias", "running_mean", "running_var")
CLASSES = 1000


def write_drawn_weights(path: Path, views: np.ndarray) -> None:
    """Write an .npz of random weights whose statistics are those of `views` (n, 64, 64, 3), pixels 0 to 255.

    With statistics of 0 and 1, as they are drawn, every score is near 0 and rounds to nothing in 8 bits.
    """
    import keras

    from training.network.efficientnet_lite import BLOCKS, FEATURES, build_back, build_front

    keras.utils.set_random_seed(1)
    front = build_front(64, 1)
    back = build_back(front.outputs[0].shape[1:], 1, CLASSES, 0.0)
    stored: dict[str, np.ndarray] = {}
    for part in (front, back):
        for layer in part.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.momentum = 0.0
    back(front(views.astype(np.float32) - 127.0, training=True), training=True)
    for layer in [*front.layers, *back.layers]:
        if layer.weights and layer.name != "scores":
            stored.update(_named(layer))
    random = np.random.default_rng(1)
    stored["_fc.weight"] = random.normal(0, FEATURES**-0.5, (CLASSES, FEATURES)).astype(np.float32)
    stored["_fc.bias"] = np.zeros(CLASSES, np.float32)
    assert f"_blocks.{BLOCKS - 1}._project_conv.weight" in stored
    np.savez(path, **stored)


def _named(layer: Any) -> dict[str, np.ndarray]:
    """A layer's arrays by the names and in the layouts of the public PyTorch port."""
    import keras

    block, _, rest = layer.name.partition("_")
    name = f"_blocks.{block[6:]}._{rest}" if block.startswith("blocks") else f"_{layer.name}"
    arrays = [np.asarray(array) for array in layer.get_weights()]
    if isinstance(layer, keras.layers.BatchNormalization):
        return {f"{name}.{part}": array for part, array in zip(BATCH_NORMALIZATION, arrays, strict=True)}
    axes = (2, 3, 0, 1) if isinstance(layer, keras.layers.DepthwiseConv2D) else (3, 2, 0, 1)
    scale = 128.0 if layer.name == "conv_stem" else 1.0
    return {f"{name}.weight": arrays[0].transpose(axes) * scale}
