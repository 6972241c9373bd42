"""Where quantization hurts: the float network's and the int8 network's activations, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge.errors import ConversionError
from edge.types import Image


@dataclass(frozen=True)
class LayerError:
    """Signal to quantization noise of one layer's output in decibels, the mean over the photos; 20 dB is 10 %."""

    layer: str
    decibels: float


def layer_errors(float_model: bytes, int8_model: bytes, views: Sequence[Image]) -> list[LayerError]:
    """Compare the outputs of the operators that both files have under one name, the worst first."""
    exact, rounded = _open(float_model), _open(int8_model)
    names = [name for name in _made(exact) if name in (made := _made(rounded))]
    signal, noise = dict.fromkeys(names, 0.0), dict.fromkeys(names, 0.0)
    for view in views:
        pixels = view.astype(np.float32)[None] - 127.0
        _invoke(exact, pixels)
        _invoke(rounded, (view ^ np.uint8(0x80)).view(np.int8)[None])
        made = _made(rounded)
        for name, index in _made(exact).items():
            if name in made:
                reference = exact.get_tensor(index)
                details = rounded._get_tensor_details(made[name], 0)
                scale, zero_point = details["quantization"]
                difference = (rounded.get_tensor(made[name]).astype(np.float32) - zero_point) * scale - reference
                signal[name] += float(np.sum(np.square(reference, dtype=np.float64)))
                noise[name] += float(np.sum(np.square(difference, dtype=np.float64)))
    errors = [
        LayerError(name, 10 * float(np.log10(max(signal[name], 1e-12) / max(noise[name], 1e-12)))) for name in names
    ]
    return sorted(errors, key=lambda error: error.decibels)


def _open(model: bytes) -> Any:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=model,
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    try:
        interpreter.allocate_tensors()
    except RuntimeError as error:
        raise ConversionError(
            f"the runtime refuses the quantized network ({error}): ranges that are all but zero come from a network "
            "that was hardly trained: give network.weights, or train longer"
        ) from None
    return interpreter


def _invoke(interpreter: Any, pixels: np.ndarray) -> None:
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], pixels)
    interpreter.invoke()


def _made(interpreter: Any) -> dict[str, int]:
    """Name -> index of the tensors that the operators make, in the file's order."""
    made = {}
    for operator in interpreter._get_ops_details():
        for index in operator["outputs"]:
            made[str(interpreter._get_tensor_details(int(index), 0)["name"])] = int(index)
    return made
