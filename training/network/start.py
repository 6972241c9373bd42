"""Going on from a bundle: the weights of its 8-bit file, brought back to floating point, into a backbone of the same kind.

A quarter of a percent of a channel's largest weight is lost on the way; the training fixes that in its first batches.
What the file holds folded (batch normalization in the kernels) is unfolded by the statistics of the pre-training, which
the training never changes.
"""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
from keras import layers

from edge.bundle.archive import open_bundle
from edge.errors import ConfigError


def go_on_from(front: keras.Model, back: keras.Model, bundle: Path) -> None:
    """Fill the convolutions of a front and a back with those of the bundle's network.

    Raises:
        ConfigError: the bundle's network is not of this kind.
    """
    mine = [layer for layer in (*front.layers, *back.layers) if _is_kernel(layer)]
    found = _kernels(open_bundle(bundle).model)
    if [tuple(layer.kernel.shape) for layer in mine] != [kernel.shape for kernel in found]:
        raise ConfigError(
            f"network.start: {bundle}: expected a network of the recipe's own backbone: give another bundle"
        )
    for layer, kernel in zip(mine, found, strict=True):
        layer.set_weights([kernel / _folded(layer)])


def _is_kernel(layer: keras.Layer) -> bool:
    return isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D)


def _folded(layer: keras.Layer) -> np.ndarray:
    """What batch normalization multiplies each channel with, in the shape of the layer's kernel."""
    (after,) = (node.operation for node in layer._outbound_nodes)
    gamma, _, _, variance = (np.asarray(part) for part in after.get_weights())
    scale = gamma / np.sqrt(variance + after.epsilon)
    scale = np.where(np.abs(scale) < 1e-6, 1.0, scale)
    return scale[:, None] if isinstance(layer, layers.DepthwiseConv2D) else scale


def _kernels(model: bytes) -> list[np.ndarray]:
    """The convolutions' kernels in floating point, in Keras' layout, in the file's order."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    opened = Interpreter(
        model_content=model, experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    )
    opened.allocate_tensors()
    found = []
    for operator in opened._get_ops_details():
        if operator["op_name"] not in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            continue
        index = int(operator["inputs"][1])
        parameters = opened._get_tensor_details(index, 0)["quantization_parameters"]
        depthwise = operator["op_name"] == "DEPTHWISE_CONV_2D"
        kernel = opened.get_tensor(index).astype(np.float32)
        kernel = kernel * (parameters["scales"] if depthwise else parameters["scales"][:, None, None, None])
        found.append(kernel.transpose(1, 2, 3, 0))
    return found
