"""What several test folders share."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import settings

from edge.bundle.archive import pack_bundle
from edge.bundle.manifest import Golden, Manifest, Output, Provenance, Thresholds
from edge.bundle.preprocess import InputGeometry
from edge.inference.golden import make_golden
from edge.inference.interpreter import Interpreter

# How long an example takes says how busy the machine is, not whether the law holds.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

ROOT = Path(__file__).resolve().parents[1]


# What a test needs shows in the fixtures that it asks for and in the folder that it lies in: no mark is forgotten.
FIXTURE_MARKS = {
    "chromium": (pytest.mark.needs_browser,),
    "server": (pytest.mark.needs_sshd, pytest.mark.slow),
    "disk": (pytest.mark.needs_root,),
    "edge_python": (pytest.mark.slow,),
    "wheel": (pytest.mark.slow,),
}
WORKSTATION = ROOT / "tests" / "workstation"
# The folders whose files take longest, first: otherwise one process works at the last of them while the others wait.
LONGEST_FIRST = [WORKSTATION, *(ROOT / "tests" / name for name in ("service", "line", "contract", "unit"))]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for name in FIXTURE_MARKS.keys() & set(getattr(item, "fixturenames", ())):
            for mark in FIXTURE_MARKS[name]:
                item.add_marker(mark)
        if item.path.is_relative_to(WORKSTATION):
            item.add_marker(pytest.mark.needs_tensorflow)
            item.add_marker(pytest.mark.timeout(3600))  # some start several trainings
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: [item.path.is_relative_to(folder) for folder in LONGEST_FIRST], reverse=True)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The clips and pictures that the tests bring along; SOURCES.md credits each."""
    return ROOT / "tests" / "data"


@pytest.fixture(scope="session")
def photo_dir() -> Path:
    """The photos that the simulator ships: LABEL/*.jpg, each with its mask."""
    return ROOT / "edge" / "simulate" / "photos"


@pytest.fixture
def memory_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: for tests of files that need thousands of syncs and no power cut."""
    if not Path("/dev/shm").is_dir():
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def tiny_bundle() -> Callable[..., bytes]:
    """Build the bytes of a bundle around a 2 kB model whose logits are four times the mean of red, green and blue."""

    def build(
        dtype: Literal["uint8", "int8"] = "uint8", key: Ed25519PrivateKey | None = None, **changes: object
    ) -> bytes:
        model = (ROOT / "tests" / "models" / f"tiny-{dtype}.tflite").read_bytes()
        interpreter = Interpreter(model, "tiny")
        random = np.random.default_rng(7)
        inputs = [random.integers(0, 256, (32, 32, 3), dtype=np.uint8) for _ in range(3)]
        labels = ("paper", "glass", "metal")
        fields = {
            "name": "tiny",
            "version": "1.0",
            "labels": labels,
            "geometry": InputGeometry(height=32, width=32, margin=0.1),
            "input": interpreter.input,
            "output": Output(**interpreter.output.model_dump(), kind="logits"),
            "thresholds": Thresholds(minimum_score=dict.fromkeys(labels, 0.5)),
            "golden": Golden(
                count=3, tolerance=0, runtime=interpreter.runtime, runtime_version=interpreter.runtime_version
            ),
            "provenance": Provenance(data_digest="0" * 64, run="none", packages={}, created="2026-11-01"),
        }
        manifest = Manifest.model_validate({**fields, **changes})
        return pack_bundle(manifest, {"model.tflite": model, "golden.bin": make_golden(interpreter, inputs)}, key)

    return build
