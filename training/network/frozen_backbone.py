"""The frozen front of the network, compiled to LiteRT: the same numbers as Keras on a CPU, several times faster.

Where there is a GPU, or no TensorFlow, Keras runs it itself.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import keras
import numpy as np

from edge.errors import ConfigError, DatasetError
from training.fitting.devices import compiles_fronts
from training.network.backbones import build_backbone
from training.network.runner import Front
from training.recipe import Network, Recipe
from training.run_folder import Run


def compile_float(model: keras.Model, half: bool = False) -> bytes:
    """Return a float TFLite flatbuffer of a Keras model with a fixed batch of 1 (needs TensorFlow).

    `half` stores the weights with 16 bits: half the size, the same labels.
    """
    import tensorflow as tf

    shape = (1, *model.inputs[0].shape[1:])
    fixed = keras.Input(batch_shape=shape, name="image")
    outputs = model(fixed, training=False)
    with tempfile.TemporaryDirectory() as folder:
        # Left to itself, Keras exports an open batch: what reshapes (squeeze-and-excitation) would ask for it on the
        # device, by operators that have no 8-bit form.
        signature = [tf.TensorSpec(shape, tf.float32, name="image")]
        keras.Model(fixed, outputs).export(folder, format="tf_saved_model", verbose=False, input_signature=signature)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        if half:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_types = [tf.float16]
        content: bytes = converter.convert()
    return content


def cut_off_head(network: keras.Model) -> tuple[keras.Model, np.ndarray, np.ndarray]:
    """Cut a trained network into pixels -> features, and its last layer: weights (labels, features), bias (labels,)."""
    front, back = network.get_layer("front"), network.get_layer("back")
    image = keras.Input(front.inputs[0].shape[1:], name="image")
    kernel, bias = back.get_layer("scores").get_weights()
    return keras.Model(image, back(front(image))[1], name=network.name), kernel.T, bias


def run_in_batches(model: keras.Model) -> Front:
    """The front where no LiteRT file is compiled: Keras itself, on whatever its backend computes on."""

    def run(views: np.ndarray) -> list[np.ndarray]:
        pixels = views.astype(np.float32) - 127.0
        made = model.predict(pixels, batch_size=64, verbose=0)
        return [np.asarray(part) for part in (made if isinstance(made, list) else [made])]

    return run


def frozen_front(recipe: Recipe, data: Path, run: Run) -> bytes | Front:
    """Activations, features and old classes of the untouched network, and the teacher's scores, for any view."""
    file = run.folder / "frozen.tflite"
    if compiles_fronts() and file.is_file():
        return file.read_bytes()
    backbone = build_backbone(recipe.network, len(recipe.labels), data)
    old = keras.layers.Dense(backbone.head[0].shape[1])
    image = keras.Input(backbone.front.inputs[0].shape[1:], name="image")
    activations = backbone.front(image)
    features = backbone.back(activations)[1]
    outputs = [activations, features, old(features)]
    old.set_weights(list(backbone.head))
    if recipe.teacher is not None:
        outputs.append(_resized(run.teacher.load_network(), recipe)(image))
    elif recipe.fit.teacher is not None:
        outputs.append(_teacher(recipe, data)(image))
    return _kept(keras.Model(image, outputs), file)


def frozen_features(network: Network, data: Path, file: Path) -> bytes | Front:
    """The features that a backbone as it was pre-trained has for any view; `file` keeps the compiled one."""
    if compiles_fronts() and file.is_file():
        return file.read_bytes()
    backbone = build_backbone(network, 2, data)
    image = keras.Input(backbone.front.inputs[0].shape[1:], name="image")
    return _kept(keras.Model(image, [backbone.back(backbone.front(image))[1]]), file)


def _kept(frozen: keras.Model, file: Path) -> bytes | Front:
    """The compiled model, written where the next start finds it; where none is compiled, Keras itself."""
    if not compiles_fronts():
        return run_in_batches(frozen)
    content = compile_float(frozen)
    partial = file.with_suffix(".part")  # a disk may fill up half-way, and a cut-off file would be taken for whole
    partial.write_bytes(content)
    partial.rename(file)
    return content


def _teacher(recipe: Recipe, data: Path) -> keras.Model:
    """A larger network for the same labels; takes our pixels, brought to its own size."""
    path = data / str(recipe.fit.teacher)
    if path.is_dir():
        labels = Run(path).recipe().labels
        if recipe.labels != labels:
            raise ConfigError(
                f"fit.teacher: {path}: expected the labels {', '.join(recipe.labels)}, got {', '.join(labels)}"
            )
        teacher = Run(path).load_network()
    elif path.is_file() and path.suffix == ".keras":
        teacher = keras.saving.load_model(path, compile=False)
    else:
        raise DatasetError(f"fit.teacher: {path}: expected a finished run folder or a .keras file")
    if teacher.outputs[0].shape[1:] != (len(recipe.labels),):
        raise ConfigError(
            f"fit.teacher: {path}: expected {len(recipe.labels)} scores, got {teacher.outputs[0].shape[1:]}"
        )
    return _resized(teacher, recipe)


def _resized(teacher: keras.Model, recipe: Recipe) -> keras.Model:
    """The teacher for pictures of our size."""
    size = teacher.inputs[0].shape[1:3]
    image = keras.Input((recipe.network.size, recipe.network.size, 3))
    same = tuple(size) == tuple(image.shape[1:3])
    return keras.Model(
        image,
        teacher(image if same else keras.layers.Resizing(*size)(image)),
        name="teacher",
    )
