"""Runs a float LiteRT file; apart from frozen_backbone.py, so that processes that render views need not load Keras."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Front = Callable[[np.ndarray], list[np.ndarray]]  # prepared crops, uint8 (n, height, width, 3) -> outputs (n, ...)


class FloatRunner:
    """Runs a float flatbuffer on prepared crops, one at a time, on one thread."""

    def __init__(self, content: bytes, threads: int = 1) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(model_content=content, num_threads=threads)
        self._runner: Any = self._interpreter.get_signature_runner()
        (self._input,) = self._runner.get_input_details()

    def run(self, view: np.ndarray) -> list[np.ndarray]:
        """Outputs in the model's order, each without the batch axis, for uint8 (height, width, 3)."""
        result = self._runner(**{self._input: (view.astype(np.float32) - 127.0)[None]})
        return [result[name][0] for name in sorted(result)]
