"""Backbones by name, cut in two: a front that stays as it was pre-trained, and a back that learns.

A name is `efficientnet_lite0` (our own, see efficientnet_lite.py), a KerasHub preset, the folder of one, or a class
of keras.applications. All are wrapped the same way: pixels minus 127 go in, scores and features come out.
"""

from __future__ import annotations

import difflib
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers

from edge.errors import ConfigError, DatasetError
from training.network import efficientnet_lite
from training.network.start import go_on_from
from training.recipe import Network

LITE0 = "efficientnet_lite0"
OWN = tuple(efficientnet_lite.BY_NAME)
FETCH = (
    "python -c \"import keras_hub as k; n = '{name}'; k.models.Backbone.from_preset(n).save_to_preset(n); "
    'k.layers.ImageConverter.from_preset(n).save_to_preset(n)"'
)
Normalize = Callable[[np.ndarray], Any]  # pixels (n, height, width, 3) of 0 to 255 -> what the backbone was trained on


@dataclass(frozen=True)
class Backbone:
    """`front`: (n, size, size, 3) pixels minus 127 -> activations; `back`: activations -> (scores, features).

    `head` is the classifier that the backbone was pre-trained with, kernel and bias; where its weights do not bring
    one it is of one class, which it is always sure of: then there is no old knowledge to keep.
    """

    front: keras.Model
    back: keras.Model
    head: tuple[np.ndarray, np.ndarray]


def build_backbone(settings: Network, classes: int, data: Path) -> Backbone:
    """Build and fill a backbone; paths are relative to `data`.

    Raises:
        ConfigError: an unknown name, or a preset that can't be fetched.
        DatasetError: weights that are missing or do not fit.
    """
    if settings.backbone in OWN:
        return _own(settings, classes, data)
    whole, normalize = _application(settings, data) or _preset(settings, data) or _unknown(settings.backbone, data)
    share = settings.frozen_blocks / efficientnet_lite.BLOCKS
    stem, rest = _cut(whole, share)
    image = keras.Input((settings.size, settings.size, 3), name="image")
    front = keras.Model(image, stem(_normalization(normalize)(image)), name="front")
    activations = keras.Input(front.outputs[0].shape[1:], name="activations")
    x = _inlined(rest, activations)
    features = layers.GlobalAveragePooling2D(name="features")(x) if len(x.shape) == 4 else x
    kept = layers.Dropout(settings.dropout, name="dropout")(features)
    back = keras.Model(activations, [layers.Dense(classes, name="scores")(kept), features], name="back")
    return Backbone(front, back, _no_head(features.shape[-1]))


def begins_from_nothing(settings: Network) -> bool:
    """Whether nothing pre-trained is named: a preset brings its weights, all others need a file or their name."""
    named = settings.backbone in OWN or isinstance(
        getattr(keras.applications, settings.backbone, None), types.FunctionType
    )
    return named and settings.weights is None


def _no_head(features: int) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros((features, 1), np.float32), np.zeros(1, np.float32)


def _own(settings: Network, classes: int, data: Path) -> Backbone:
    stages = efficientnet_lite.BY_NAME[settings.backbone]
    blocks = efficientnet_lite.count_blocks(stages)
    frozen = round(settings.frozen_blocks * blocks / efficientnet_lite.BLOCKS)
    front = efficientnet_lite.build_front(settings.size, frozen, stages)
    shape = front.outputs[0].shape[1:]
    back = efficientnet_lite.build_back(shape, frozen, classes, settings.dropout, stages)
    if settings.weights is None:
        return Backbone(front, back, _no_head(efficientnet_lite.FEATURES))
    file = data / settings.weights
    efficientnet_lite.load_weights(front, file)
    efficientnet_lite.load_weights(back, file)
    if settings.start is not None:
        go_on_from(front, back, data / settings.start)
    return Backbone(front, back, efficientnet_lite.imagenet_head(file))


def _application(settings: Network, data: Path) -> tuple[keras.Model, Normalize] | None:
    make = getattr(keras.applications, settings.backbone, None)
    if not isinstance(make, types.FunctionType):
        return None
    module = getattr(keras.applications, make.__module__.rpartition(".")[2])
    fetched = settings.weights == "imagenet"
    shape = (settings.size, settings.size, 3)
    try:
        whole = make(include_top=False, input_shape=shape, weights="imagenet" if fetched else None)
    except Exception as error:  # noqa: BLE001  (whatever the download ends with)
        raise ConfigError(
            f"network.backbone: {settings.backbone} can't be built at {settings.size} pixels or fetched: "
            f"{_first_line(error)}: give network.weights a local file"
        ) from None
    if settings.weights is not None and not fetched:
        _fill(whole, data / settings.weights)
    return whole, module.preprocess_input


def _preset(settings: Network, data: Path) -> tuple[keras.Model, Normalize] | None:
    import keras_hub

    family = keras_hub.models.Backbone
    folder = data / settings.backbone
    if not folder.is_dir() and settings.backbone not in family.presets:
        return None
    # Absolute: `.` and a name would be taken for the published preset of that name.
    name = str(folder.resolve()) if folder.is_dir() else settings.backbone
    try:
        found = family.from_preset(name)
    except Exception as error:  # noqa: BLE001  (each hub has errors of its own)
        cause, command = _first_line(error), FETCH.format(name=settings.backbone)
        if folder.is_dir():
            raise ConfigError(
                f"network.backbone: the folder {folder} is no preset that can be read: {cause}: write it anew, as by {command}"
            ) from None
        raise ConfigError(
            f"network.backbone: the preset {settings.backbone} can't be fetched: {cause}: connect this machine to the "
            f"internet, or fetch it where there is a network and give the folder as network.backbone: {command}"
        ) from None
    # Made anew at this size: most presets leave height and width open, which no int8 file may.
    config = found.get_config()
    size = {"image_shape" if "image_shape" in config else "input_shape": (settings.size, settings.size, 3)}
    whole = type(found).from_config({**config, **size})
    whole.set_weights(found.get_weights())
    if settings.weights is not None:
        _fill(whole, data / settings.weights)
    try:
        converter: Normalize = keras_hub.layers.ImageConverter.from_preset(name)
    except Exception as error:  # noqa: BLE001
        raise ConfigError(
            f"network.backbone: {settings.backbone} does not say how pixels are prepared ({_first_line(error)}): "
            "save its image converter into the same folder: ImageConverter.from_preset(...).save_to_preset(FOLDER)"
        ) from None
    return whole, converter


def _unknown(name: str, data: Path) -> tuple[keras.Model, Normalize]:
    import keras_hub

    classes = [key for key, value in vars(keras.applications).items() if isinstance(value, types.FunctionType)]
    known = [*OWN, *classes, *keras_hub.models.Backbone.presets]
    near = difflib.get_close_matches(name, known, 3, 0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"{data / name} is no preset's folder either"
    raise ConfigError(
        f"network.backbone: expected {', '.join(OWN)}, a KerasHub preset, a preset's folder under --data, or a class of "
        f"keras.applications, got {name!r}: {hint}"
    )


def _fill(model: keras.Model, file: Path) -> None:
    """Load .h5 weights, or the weights of a whole .keras model, layer by layer."""
    if not file.is_file():
        raise DatasetError(f"{file}: no such weights file; expected .h5, .weights.h5 or .keras")
    try:
        if file.suffix == ".keras":
            stored = {layer.name: layer for layer in keras.saving.load_model(file, compile=False).layers}
            for layer in model.layers:
                if layer.weights:
                    layer.set_weights(stored[layer.name].get_weights())
        else:
            model.load_weights(file)
    except Exception as error:  # noqa: BLE001  (Keras raises what it likes)
        raise DatasetError(
            f"{file}: the weights do not fit {model.name} without its top: {_first_line(error)}"
        ) from None


def _normalization(normalize: Normalize) -> layers.Layer:
    """Pixels minus 127 to what the backbone was trained on, as one convolution of 1 x 1.

    Every published preparation is a matrix and an offset a channel, so four plain pictures tell it all; an int8
    convolution does it exactly as the others, and the input keeps its scale of 1.
    """
    plain = np.zeros((4, 32, 32, 3), np.float32)
    for channel in range(3):
        plain[channel + 1, ..., channel] = 255.0
    made = keras.ops.convert_to_numpy(normalize(plain)).mean(axis=(1, 2))
    kernel = (made[1:] - made[0]) / 255.0
    layer = layers.Conv2D(3, 1, name="normalization", trainable=False)
    layer.build((None, None, None, 3))
    layer.set_weights([kernel.reshape(1, 1, 3, 3), made[0] + 127.0 * kernel.sum(axis=0)])
    return layer


def _cut(whole: keras.Model, share: float) -> tuple[keras.Model, keras.Model]:
    """Cut behind about `share` of the layers, where all that follows hangs on one of them, and a small one."""
    stack = whole.layers
    last = min(len(stack) - 1, round(share * len(stack)))
    cuts: list[tuple[int, keras.Model, keras.Model]] = []
    for index in range(last, 0, -1):
        if cuts and index < last - len(stack) // 16:
            break
        between = stack[index].output
        try:
            rest = keras.Model(between, whole.output)
        except ValueError:  # a shortcut passes by this layer
            continue
        cuts.append((int(np.prod(between.shape[1:])), keras.Model(whole.input, between), rest))
    if not cuts:
        return keras.Model(whole.input, whole.input), whole
    return min(cuts, key=lambda cut: cut[0])[1:]


def _inlined(model: keras.Model, x: Any) -> Any:
    """Apply a model so that its layers become layers of the one that is being built."""
    return keras.models.clone_model(model, input_tensors=x, clone_function=lambda layer: layer).output


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:120]}"
