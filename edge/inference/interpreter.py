"""One small adapter over the two TensorFlow Lite runtimes: 8 bits in, 8 bits out, no float on the way."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from edge.errors import BundleError, SetupError

# The process that only computes (edge/inference/worker.py) does without pydantic: half its memory and its start.
if TYPE_CHECKING:
    from edge.bundle.archive import Bundle
    from edge.bundle.manifest import Quantization
    from edge.types import Image

Runtime = Literal["auto", "litert", "tflite-runtime"]
Codes = NDArray[np.uint8] | NDArray[np.int8]
_MODULES = {"ai-edge-litert": "ai_edge_litert.interpreter", "tflite-runtime": "tflite_runtime.interpreter"}
_TOP_BIT = np.uint8(0x80)


class Inference(Protocol):
    """A loaded model, here or in a process of its own; it belongs to one thread at a time."""

    @property
    def runtime(self) -> str:
        """The package that computes."""
        ...

    @property
    def runtime_version(self) -> str: ...

    @property
    def input(self) -> Quantization:
        """As the file states it."""
        ...

    @property
    def output(self) -> Quantization: ...

    @property
    def shape(self) -> tuple[int, ...]:
        """(height, width, 3) of the input."""
        ...

    @property
    def outputs(self) -> int:
        """Length of the output row."""
        ...

    def run(self, image: Image) -> Codes:
        """Raw output codes (outputs,) for one prepared crop (height, width, 3); the row is the caller's own.

        Raises:
            ValueError: the image is not uint8 of that shape.
            ClassifierError: the process that runs the model is lost.
        """
        ...

    def close(self) -> None:
        """Give back what it holds; may be called twice."""
        ...


OpenInference = Callable[["Bundle", int, Runtime], Inference]
"""Loads a bundle's model for some threads, and checks that the file is what the manifest says."""


class Interpreter:
    """A model loaded into a runtime of this process."""

    def __init__(self, model: bytes, source: str, threads: int = 1, runtime: Runtime = "auto") -> None:
        self.runtime, module = _load_runtime(runtime)
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
        self.input_codes, self.output_codes = _codes(inputs[0], source), _codes(outputs[0], source)
        self.shape = tuple(int(n) for n in inputs[0]["shape"][1:])
        self.outputs = int(outputs[0]["shape"][-1])
        if len(self.shape) != 3 or tuple(outputs[0]["shape"]) != (1, self.outputs) or inputs[0]["shape"][0] != 1:
            raise BundleError(
                f"{source}: expected input (1, height, width, 3) and output (1, numbers): convert it anew"
            )
        self._input_view = self._interpreter.tensor(inputs[0]["index"])
        self._output_view = self._interpreter.tensor(outputs[0]["index"])
        self._flip = self.input_codes["dtype"] == "int8"

    @property
    def runtime_version(self) -> str:
        return installed_version(self.runtime)

    @property
    def input(self) -> Quantization:
        return quantization(self.input_codes)

    @property
    def output(self) -> Quantization:
        return quantization(self.output_codes)

    def run(self, image: Image) -> Codes:
        self._fill(image)
        self._interpreter.invoke()
        row: Codes = self._output_view()[0].copy()
        return row

    def close(self) -> None:
        """The runtime frees its memory when nobody refers to it any more."""

    def _fill(self, image: Image) -> None:
        # The view must be gone before invoke(), so it lives in this function only.
        target = self._input_view()[0]
        check_image(image, self.shape)
        if self._flip:
            np.bitwise_xor(image, _TOP_BIT, out=target.view(np.uint8))
        else:
            np.copyto(target, image)


def open_interpreter(bundle: Bundle, threads: int = 1, runtime: Runtime = "auto") -> Interpreter:
    """Load a bundle's model in this process and check that the file is what the manifest says."""
    interpreter = Interpreter(bundle.model, bundle.source, threads, runtime)
    check_agreement(bundle, interpreter)
    return interpreter


def check_agreement(bundle: Bundle, model: Inference) -> None:
    """Refuse a model that is not what its manifest says.

    Raises:
        BundleError: naming what differs.
    """
    manifest = bundle.manifest
    for what, expected, got in (
        ("input size", (manifest.geometry.height, manifest.geometry.width, 3), model.shape),
        ("number of outputs", manifest.outputs, model.outputs),
        ("input", manifest.input, model.input),
        ("output", quantization(manifest.output.model_dump(exclude={"kind"})), model.output),
    ):
        if expected != got:
            raise BundleError(
                f"{bundle.source}: model.tflite and manifest disagree on {what}: expected {expected}, got {got}: "
                "pack it anew"
            )


def check_image(image: Image, shape: tuple[int, ...]) -> None:
    """Refuse what is not uint8 of that shape with a ValueError."""
    if image.shape != shape or image.dtype != np.uint8:
        raise ValueError(f"expected uint8 {shape}, got {image.dtype} {image.shape}")


def installed_version(package: str) -> str:
    """The version of an installed runtime."""
    from importlib.metadata import version

    return version(package)


def quantization(codes: dict[str, Any]) -> Quantization:
    """How codes map to numbers, from plain values: dtype, scale, zero_point."""
    from edge.bundle.manifest import Quantization

    return Quantization.model_validate(codes)


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


def _codes(details: dict[str, Any], source: str) -> dict[str, Any]:
    dtype = np.dtype(details["dtype"]).name
    scale, zero_point = details["quantization"]
    if dtype not in ("uint8", "int8") or scale <= 0:
        raise BundleError(f"{source}: expected 8-bit {details['name']}, got {dtype}: convert it to full int8")
    return {"dtype": dtype, "scale": float(scale), "zero_point": int(zero_point)}
