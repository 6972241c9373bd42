"""Keras float model -> full-int8 LiteRT file, by litert-quantizer; the input is the camera's byte as it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge.errors import ConversionError
from edge.types import Image


@dataclass(frozen=True)
class Operators:
    """What the file is made of, and how much of it XNNPACK takes."""

    names: tuple[str, ...]  # in the file's order
    left_out: tuple[str, ...]  # operators that XNNPACK does not take
    floating: tuple[str, ...]  # operators that take or give floating point, and what converts between the two

    @property
    def whole(self) -> bool:
        return not self.left_out


def quantize_static(float_model: bytes, representative: Iterable[Image]) -> bytes:
    """Quantize weights and activations to int8; input scale is exactly 1 and its zero point -128 + 127.

    The float model takes pixels minus 127. Its input range is set to what 256 bytes can hold, -127 to 128,
    instead of what the representative photos happened to hold: then the code of a byte is the byte with
    its top bit flipped, and no arithmetic is done on the device. Every other range holds all that was seen: the
    quantizer's own way, a moving average, cuts off what only some photos reach, the sure answers first (the shipped
    network agreed with itself on 97.8 % of the validation photos that way, on 98.9 % this way).
    """
    from litert_quantizer import calibrator, quantizer, recipe, recipe_manager
    from litert_quantizer.utils import qsv_utils

    signature, name = _signature(float_model)
    static = recipe.static_wi8_ai8()
    tool, rules = quantizer.Quantizer(float_model, static), recipe_manager.RecipeManager()
    rules.load_quantization_recipe(static)
    samples = [{name: (view.astype(np.float32) - 127.0)[None]} for view in representative]
    meter = calibrator.Calibrator(float_model, num_threads=2, qsv_update_func=qsv_utils.min_max_update)
    meter.calibrate({signature: samples}, rules)
    ranges = meter.get_model_qsvs()
    for tensor, found in ranges.items():
        if tensor == name or name in tensor.split(":")[0].split("/")[-1]:
            found["min"] = np.full_like(found["min"], -127.0)
            found["max"] = np.full_like(found["max"], 128.0)
    return bytes(tool.quantize(ranges, enable_progress_report=False).quantized_model)


def quantize_dynamic(float_model: bytes) -> bytes:
    """Quantize the weights only; activations stay float. Measured for comparison, not for a Pi."""
    from litert_quantizer import quantizer, recipe

    tool = quantizer.Quantizer(float_model, recipe.dynamic_wi8_afp32())
    return bytes(tool.quantize(enable_progress_report=False).quantized_model)


def _signature(float_model: bytes) -> tuple[str, str]:
    from ai_edge_litert.interpreter import Interpreter

    signatures = Interpreter(model_content=float_model).get_signature_list()
    key = next(iter(signatures))
    return key, signatures[key]["inputs"][0]


def read_operators(model: bytes) -> Operators:
    """List the file's operators, and those that stay outside XNNPACK's one delegate."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    plain = Interpreter(
        model_content=model, experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    )
    listed = plain._get_ops_details()
    names = tuple(str(op["op_name"]) for op in listed)
    floats = {int(details["index"]) for details in plain.get_tensor_details() if details["dtype"] is np.float32}
    floating = tuple(str(op["op_name"]) for op in listed if floats & {int(i) for i in (*op["inputs"], *op["outputs"])})
    delegated = Interpreter(model_content=model, num_threads=1)
    delegated.allocate_tensors()
    final = {int(details["index"]) for details in delegated.get_output_details()}
    return Operators(names, _left_out(delegated._get_ops_details(), final), floating)


def _left_out(operators: Sequence[dict[str, Any]], final: set[int]) -> tuple[str, ...]:
    """Name the operators that feed a delegate, or make the result, without being in one.

    The runtime lists the file's operators first and then a DELEGATE for each part that XNNPACK took: an
    operator outside hands its result to a part, or is the last one.
    """
    parts = [operator for operator in operators if operator["op_name"] == "DELEGATE"]
    wanted = final | {int(index) for part in parts for index in part["inputs"]}
    made = {int(index) for part in parts for index in part["outputs"]}
    outside = [
        op for op in operators if op["op_name"] != "DELEGATE" and {int(i) for i in op["outputs"]} & (wanted - made)
    ]
    if len(parts) > 1 and not outside:
        return ("the operators between two parts",)
    return tuple(str(operator["op_name"]) for operator in outside)


def check_operators(model: bytes) -> Operators:
    """Refuse a file that XNNPACK does not take whole: its results would differ between CPUs, and be slow.

    Raises:
        ConversionError: names the operators that are to blame.
    """
    operators = read_operators(model)
    custom = [name for name in operators.names if name.startswith(("Flex", "CUSTOM"))]
    if custom:
        raise ConversionError(f"expected built-in operators only, got {', '.join(sorted(set(custom)))}: replace them")
    if operators.floating or "QUANTIZE" in operators.names:
        blamed = sorted(set(operators.floating) - {"DEQUANTIZE", "QUANTIZE"}) or ["QUANTIZE"]
        raise ConversionError(
            f"expected 8-bit integers throughout, got {', '.join(blamed)} beside them: use a backbone without, of "
            "convolutions with ReLU, ReLU6 or swish"
        )
    if operators.left_out:
        raise ConversionError(
            f"expected that XNNPACK takes the whole graph, it leaves out {', '.join(sorted(set(operators.left_out)))}: "
            "use a backbone with ReLU, ReLU6 or swish in its place"
        )
    return operators
