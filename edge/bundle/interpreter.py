"""One small adapter over the two TensorFlow Lite runtimes: 8 bits in, 8 bits out, no float on the way."""

from __future__ import annotations

import importlib
import importlib.metadata
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edge.bundle.archive import Bundle
from edge.bundle.manifest import Quantization
from edge.errors import BundleError, SetupError
from edge.types import Image

Runtime = Literal["auto", "litert", "tflite-runtime"]
Codes = NDArray[np.uint8] | NDArray[np.int8]
_MODULES = {"ai-edge-litert": "ai_edge_litert.interpreter", "tflite-runtime": "tflite_runtime.interpreter"}
_TOP_BIT = np.uint8(0x80)


class Interpreter:
    """A model loaded into one runtime; it belongs to one thread at a time.

    Attributes:
        runtime, runtime_version: the package that computes.
        input, output: quantization as the file states it.
        shape: (height, width, 3) of the input.
        labels: length of the output row.
    """

    def __init__(self, model: bytes, source: str, threads: int = 1, runtime: Runtime = "auto") -> None:
        self.runtime, module = _load_runtime(runtime)
        self.runtime_version = importlib.metadata.version(self.runtime)
        try:
            self._interpreter: Any = module.Interpreter(model_content=model, num_threads=threads)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise BundleError(f"{source}: {self.runtime} can't load model.tflite ({error}): convert it anew") from None
        inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        if len(inputs) != 1 or len(outputs) != 1:
            raise BundleError(
                f"{source}: expected one input and one output, got {len(inputs)} and {len(outputs)}: convert it anew"
            )
        self.input = _quantization(inputs[0], source)
        self.output = _quantization(outputs[0], source)
        self.shape = tuple(int(n) for n in inputs[0]["shape"][1:])
        self.labels = int(outputs[0]["shape"][-1])
        if len(self.shape) != 3 or tuple(outputs[0]["shape"]) != (1, self.labels) or inputs[0]["shape"][0] != 1:
            raise BundleError(f"{source}: expected input (1, height, width, 3) and output (1, labels): convert it anew")
        self._input_view = self._interpreter.tensor(inputs[0]["index"])
        self._output_view = self._interpreter.tensor(outputs[0]["index"])
        self._flip = self.input.dtype == "int8"

    def run(self, image: Image) -> Codes:
        """Raw output codes (labels,) for one prepared crop (height, width, 3); the row is the caller's own."""
        self._fill(image)
        self._interpreter.invoke()
        row: Codes = self._output_view()[0].copy()
        return row

    def _fill(self, image: Image) -> None:
        # The view must be gone before invoke(), so it lives in this function only.
        target = self._input_view()[0]
        if image.shape != target.shape or image.dtype != np.uint8:
            raise ValueError(f"expected uint8 {target.shape}, got {image.dtype} {image.shape}")
        if self._flip:
            np.bitwise_xor(image, _TOP_BIT, out=target.view(np.uint8))
        else:
            np.copyto(target, image)


def open_interpreter(bundle: Bundle, threads: int = 1, runtime: Runtime = "auto") -> Interpreter:
    """Load a bundle's model and check that the file is what the manifest says."""
    interpreter = Interpreter(bundle.model, bundle.source, threads, runtime)
    manifest = bundle.manifest
    expected_output = Quantization.model_validate(manifest.output.model_dump(exclude={"kind"}))
    for what, expected, got in (
        ("input size", (manifest.geometry.height, manifest.geometry.width, 3), interpreter.shape),
        ("number of labels", len(manifest.labels), interpreter.labels),
        ("input", manifest.input, interpreter.input),
        ("output", expected_output, interpreter.output),
    ):
        if expected != got:
            raise BundleError(
                f"{bundle.source}: model.tflite and manifest disagree on {what}: expected {expected}, got {got}: "
                "pack it anew"
            )
    return interpreter


def _load_runtime(runtime: Runtime) -> tuple[str, Any]:
    """The chosen runtime, or ai-edge-litert before tflite-runtime, which is 20 times slower on int8."""
    chosen = {"auto": list(_MODULES), "litert": ["ai-edge-litert"], "tflite-runtime": ["tflite-runtime"]}[runtime]
    for name in chosen:
        try:
            return name, importlib.import_module(_MODULES[name])
        except ModuleNotFoundError as error:
            if error.name is None or not _MODULES[name].startswith(error.name):
                raise _unusable(name, error) from None
        except (ImportError, AttributeError) as error:  # tflite-runtime with NumPy 2 raises either
            raise _unusable(name, error) from None
    wanted = " or ".join(chosen)
    extra = "tflite-runtime" if runtime == "tflite-runtime" else "edge"
    raise SetupError(f"classifying needs {wanted}, which is not installed: pip install 'edge-sorter[{extra}]'")


def _unusable(name: str, error: Exception) -> SetupError:
    return SetupError(
        f"{name} is installed but can't be loaded ({error}): install it with the NumPy it was built for, "
        f"pip install 'edge-sorter[{'tflite-runtime' if name == 'tflite-runtime' else 'edge'}]'"
    )


def _quantization(details: dict[str, Any], source: str) -> Quantization:
    dtype = np.dtype(details["dtype"]).name
    scale, zero_point = details["quantization"]
    if dtype not in ("uint8", "int8") or scale <= 0:
        raise BundleError(f"{source}: expected 8-bit {details['name']}, got {dtype}: convert it to full int8")
    return Quantization(dtype=dtype, scale=float(scale), zero_point=int(zero_point))
