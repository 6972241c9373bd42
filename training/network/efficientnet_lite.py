"""EfficientNet-Lite in Keras, cut in two: a frozen front and a trainable back.

Topology and weight names as in the public PyTorch port; ReLU6 and no squeeze-and-excitation, so that
every operator has an int8 kernel.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers

from edge.errors import DatasetError

Stages = tuple[tuple[int, int, int, int, int], ...]  # expand, kernel, stride, filters, repeats
STAGES: Stages = (
    (1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3), (6, 5, 2, 192, 4), (6, 3, 1, 320, 1),
)  # fmt: skip
# The larger one, made for 260 pixels: 2.2 times the multiplications, 77.6 instead of 75.1 % on ImageNet.
STAGES_OF_LITE2: Stages = (
    (1, 3, 1, 16, 1), (6, 3, 2, 24, 3), (6, 5, 2, 48, 3), (6, 3, 2, 88, 4),
    (6, 5, 1, 120, 4), (6, 5, 2, 208, 5), (6, 3, 1, 352, 1),
)  # fmt: skip
BY_NAME = {"efficientnet_lite0": STAGES, "efficientnet_lite2": STAGES_OF_LITE2}
BLOCKS = sum(stage[4] for stage in STAGES)
FEATURES = 1280
_EPSILON = 1e-3


def count_blocks(stages: Stages) -> int:
    """How many blocks a network of these stages has."""
    return sum(stage[4] for stage in stages)


def _normalized(x: Any, name: str, relu: bool = True) -> Any:
    x = layers.BatchNormalization(epsilon=_EPSILON, name=name)(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x) if relu else x


def _block(x: Any, index: int, expand: int, kernel: int, stride: int, filters: int) -> Any:
    name = f"blocks{index}"
    inside, y = x.shape[-1], x
    if expand != 1:
        y = layers.Conv2D(inside * expand, 1, use_bias=False, name=f"{name}_expand_conv")(y)
        y = _normalized(y, f"{name}_bn0")
    y = layers.DepthwiseConv2D(kernel, stride, "same", use_bias=False, name=f"{name}_depthwise_conv")(y)
    y = _normalized(y, f"{name}_bn1")
    y = layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_project_conv")(y)
    y = _normalized(y, f"{name}_bn2", relu=False)
    return layers.Add(name=f"{name}_add")([x, y]) if stride == 1 and inside == filters else y


def _blocks(x: Any, first: int, last: int | None, stages: Stages) -> Any:
    index = 0
    for expand, kernel, stride, filters, repeats in stages:
        for repeat in range(repeats):
            if first <= index and (last is None or index < last):
                x = _block(x, index, expand, kernel, stride if repeat == 0 else 1, filters)
            index += 1
    return x


def build_front(size: int, blocks: int, stages: Stages = STAGES) -> keras.Model:
    """Pixels 0..255 minus 127 as float (n, size, size, 3) -> activations after `blocks` blocks.

    The division by 128 that the weights were trained with sits in the first convolution, so that an int8
    pixel (the camera's byte with its top bit flipped) is the input as it is.
    """
    x = image = keras.Input((size, size, 3), name="image")
    x = layers.Conv2D(32, 3, 2, "same", use_bias=False, name="conv_stem")(x)
    x = _normalized(x, "bn0")
    return keras.Model(image, _blocks(x, 0, blocks, stages), name="front")


def build_back(
    shape: tuple[int, ...], blocks: int, classes: int, dropout: float, stages: Stages = STAGES
) -> keras.Model:
    """Activations after `blocks` blocks -> (scores (n, classes), features (n, 1280))."""
    x = activations = keras.Input(shape, name="activations")
    x = _blocks(x, blocks, None, stages)
    x = layers.Conv2D(FEATURES, 1, use_bias=False, name="conv_head")(x)
    x = _normalized(x, "bn1")
    features = layers.GlobalAveragePooling2D(name="features")(x)
    kept = layers.Dropout(dropout, name="dropout")(features)
    return keras.Model(activations, [layers.Dense(classes, name="scores")(kept), features], name="back")


def load_weights(model: keras.Model, file: Path) -> None:
    """Fill every layer that the weights file names.

    Raises:
        DatasetError: no such file, no .npz, or a layer's weights are not in it or of another shape.
    """
    if not file.is_file():
        raise DatasetError(
            f"{file}: no such weights file; expected an .npz of EfficientNet-Lite's weights, or instead of it, fetched by "
            'its name, network.backbone = "efficientnet_lite0_ra_imagenet"'
        )
    if not zipfile.is_zipfile(file):
        raise DatasetError(f"{file}: no .npz file, or cut off; expected EfficientNet-Lite's weights")
    with np.load(file) as stored:
        for layer in model.layers:
            if not layer.weights or layer.name == "scores":
                continue
            try:
                layer.set_weights(_arrays(layer, stored, file))
            except ValueError:
                raise DatasetError(
                    f"{file}: expected weights of EfficientNet-Lite of the right size, {layer.name} differs"
                ) from None


def imagenet_head(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the 1000-way classifier (1280, 1000) and its bias (1000,)."""
    with np.load(file) as stored:
        return stored["_fc.weight"].T, stored["_fc.bias"]


def _arrays(layer: Any, stored: Any, file: Path) -> list[np.ndarray]:
    block, _, rest = layer.name.partition("_")
    name = f"_blocks.{block[6:]}._{rest}" if block.startswith("blocks") else f"_{layer.name}"
    parts = ("weight", "bias", "running_mean", "running_var")
    try:
        if isinstance(layer, layers.BatchNormalization):
            return [stored[f"{name}.{part}"] for part in parts]
        kernel = stored[f"{name}.weight"]
    except KeyError as error:
        raise DatasetError(
            f"{file}: expected weights of EfficientNet-Lite of the right size, {error} is not in it"
        ) from None
    if isinstance(layer, layers.DepthwiseConv2D):
        return [kernel.transpose(2, 3, 0, 1)]
    kernel = kernel.transpose(2, 3, 1, 0)
    return [kernel / 128.0 if layer.name == "conv_stem" else kernel]
