"""The same network by layers that TensorFlow trains faster on processors; weights and answers are the same.

Measured a view (EfficientNet-Lite0, eleven of sixteen blocks, batches of 32, one thread of an EPYC, a busy machine): 24.1 ms
of processor time as Keras computes it, 21.1 ms so, 17.1 ms with `half`. What took it: products of matrices at nine tenths
of what the processor can do, so that only shorter numbers help; 5 ms for the kernels' gradients of 5 x 5 by channel, for
which oneDNN has fast code up to a width of three (14 x 14 x 672: 1.1 ms, in two parts 0.4); 2 ms for frozen batch
normalization, which is a factor in the kernel before it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
from keras import layers, ops

_WIDEST = 3  # columns of a kernel whose gradient oneDNN compiles code for
Normalization = Callable[[], tuple[Any, Any]]  # what comes behind a kernel: a factor and a summand for each channel


class _Pointwise(layers.Conv2D):  # type: ignore[misc]
    """A convolution of 1 x 1 as a product of matrices, whose gradients TensorFlow computes faster on processors."""

    normalization: Normalization | None = None
    half = False

    def call(self, inputs: Any) -> Any:
        _, height, width, channels = inputs.shape
        flat, kernel, shift = ops.reshape(inputs, (-1, channels)), self.kernel[0, 0], None
        if self.normalization is not None:
            scale, shift = self.normalization()
            kernel = kernel * scale
        made = _product(flat, kernel, self.half)
        if shift is not None:
            made = tf.nn.bias_add(made, shift)
        if self.use_bias:
            made = made + self.bias
        return self.activation(ops.reshape(made, (-1, height, width, self.filters)))


class _Depthwise(layers.DepthwiseConv2D):  # type: ignore[misc]
    """A convolution of each channel by itself, its gradient computed in parts of three columns."""

    normalization: Normalization | None = None

    def call(self, inputs: Any) -> Any:
        kernel, shift = tf.convert_to_tensor(self.kernel), None
        if self.normalization is not None:
            scale, shift = self.normalization()
            kernel = kernel * scale[:, None]
        made = _by_channel(inputs, kernel, self.strides[0])
        if shift is not None:
            made = tf.nn.bias_add(made, shift)
        if self.use_bias:
            made = made + self.bias
        return self.activation(made)


class _Folded(layers.BatchNormalization):  # type: ignore[misc]
    """Batch normalization that the convolution before it has done already; it only keeps the weights."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        return inputs


def _product(a: Any, b: Any, half: bool) -> Any:
    """A product of matrices, of numbers of 16 bits where `half` (sums have 32 all the same)."""
    if not half:
        return tf.matmul(a, b)
    return tf.cast(tf.matmul(tf.cast(a, tf.bfloat16), tf.cast(b, tf.bfloat16)), tf.float32)


def _by_channel(x: Any, kernel: Any, stride: int) -> Any:
    strides = (1, stride, stride, 1)

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def convolved(x: Any, kernel: Any) -> tuple[Any, Callable[[Any], tuple[Any, Any]]]:
        def gradient(up: Any) -> tuple[Any, Any]:
            down = tf.nn.depthwise_conv2d_backprop_input(tf.shape(x), kernel, up, strides, "SAME")
            return down, _kernel_gradient(x, kernel.shape, up, stride)

        return tf.nn.depthwise_conv2d(x, kernel, strides, "SAME"), gradient

    return convolved(x, kernel)


def _kernel_gradient(x: Any, shape: tuple[int, ...], up: Any, stride: int) -> Any:
    """The gradient of a kernel (height, width, channels, 1): that of each three columns, one after the other."""
    height, width, channels, _ = shape
    rows, columns = ((size - 1) * stride for size in up.shape[1:3])
    margins = [max(reach + side - size, 0) for reach, side, size in zip((rows, columns), shape, x.shape[1:3])]  # noqa: B905
    padded = tf.pad(x, ((0, 0), *((m // 2, m - m // 2) for m in margins), (0, 0)))
    parts = []
    for first in range(0, width, _WIDEST):
        wide = min(_WIDEST, width - first)
        piece = padded[:, : rows + height, first : first + columns + wide]
        parts.append(
            tf.nn.depthwise_conv2d_backprop_filter(
                piece, (height, wide, channels, 1), up, (1, stride, stride, 1), "VALID"
            )
        )
    return tf.concat(parts, axis=1)


def quickened(model: keras.Model, half: bool) -> keras.Model:
    """A copy with the same weights, in the same order; `half` multiplies numbers of 16 bits in convolutions of 1 x 1.

    All batch normalization of the model has to be frozen.
    """
    kinds = {layer.name: kind for layer in model.layers if (kind := _kind(layer)) is not None}
    folded = {after.name: name for name in kinds if (after := _after(model.get_layer(name))) is not None}

    def clone(layer: Any) -> Any:
        if not isinstance(layer, layers.Layer):  # an operation, such as a bare sum, has no weights
            return type(layer).from_config(layer.get_config())
        kind = _Folded if layer.name in folded else kinds.get(layer.name, type(layer))
        return kind.from_config(layer.get_config())

    made = keras.models.clone_model(model, clone_function=clone)
    made.set_weights(model.get_weights())
    for name in kinds:
        if kinds[name] is _Pointwise:
            made.get_layer(name).half = half
    for after, name in folded.items():
        made.get_layer(after).trainable = False
        made.get_layer(name).normalization = _normalization(made.get_layer(after))
    return made


def _kind(layer: Any) -> type[layers.Layer] | None:
    plain = getattr(layer, "data_format", "") == "channels_last" and getattr(layer, "dilation_rate", 0) == (1, 1)
    if type(layer) is layers.Conv2D and plain:
        return _Pointwise if (layer.kernel_size, layer.strides, layer.groups) == ((1, 1), (1, 1), 1) else None
    if type(layer) is layers.DepthwiseConv2D and plain and layer.padding == "same" and layer.depth_multiplier == 1:
        return _Depthwise if layer.strides[0] == layer.strides[1] else None
    return None


def _after(layer: Any) -> Any | None:
    """The batch normalization that takes all that a linear convolution gives, if there is one."""
    nodes = layer._outbound_nodes
    if len(nodes) != 1 or layer.use_bias or layer.activation is not keras.activations.linear:
        return None
    after = nodes[0].operation
    return after if type(after) is layers.BatchNormalization and after.axis in (-1, 3) else None


def _normalization(layer: Any) -> Normalization:
    def parts() -> tuple[Any, Any]:
        scale = ops.rsqrt(layer.moving_variance + layer.epsilon)
        scale = scale * layer.gamma if layer.scale else scale
        shift = -layer.moving_mean * scale
        return scale, shift + layer.beta if layer.center else shift

    return parts
