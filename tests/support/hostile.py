"""Bundles around models that misbehave (tests/models/make_hostile.py): on a middling grey, or in their own golden vectors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from edge.bundle.archive import pack_bundle, read_bundle
from edge.bundle.manifest import Output
from edge.inference.interpreter import Interpreter

MODELS = Path(__file__).resolve().parents[1] / "models"
HARMLESS, GREY = (np.full((32, 32, 3), level, np.uint8) for level in (220, 90))


def hostile_bundle(name: str, tiny_bundle: Callable[..., bytes], wakes: bool = True) -> bytes:
    """A bundle of `hangs` or `greedy`; with `wakes` its golden vectors hold the picture that it misbehaves on."""
    model = (MODELS / f"{name}.tflite").read_bytes()
    interpreter = Interpreter(model, name)
    scores = interpreter.run(HARMLESS)
    manifest = read_bundle(tiny_bundle(name=name), name).manifest
    golden = manifest.golden.model_copy(update={"count": 1, "tolerance": 16})
    output = Output(**interpreter.output.model_dump(), kind="logits")
    manifest = manifest.model_copy(update={"input": interpreter.input, "output": output, "golden": golden})
    picture = GREY if wakes else HARMLESS
    return pack_bundle(manifest, {"model.tflite": model, "golden.bin": picture.tobytes() + scores.tobytes()})
