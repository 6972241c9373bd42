"""What a Pi would install: resolved for its CPU and Python versions from wheels alone, never TensorFlow."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from support.wheels import ROOT

# glibc 2.36 on Bookworm, 2.41 on Trixie: every older tag fits as well, and pip takes each tag literally.
PLATFORMS = [f"manylinux_2_{minor}_aarch64" for minor in (17, 24, 26, 27, 28, 31, 34, 35)] + ["manylinux2014_aarch64"]


def resolve(report: Path, python: str, *wanted: str) -> set[str]:
    """Return the names of what pip would install on a Pi."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
    pip += ["--target", str(report.parent / "target"), "--only-binary=:all:", "--implementation", "cp"]
    pip += ["--python-version", python, *(f"--platform={tag}" for tag in PLATFORMS)]
    subprocess.run([*pip, "--report", str(report), *wanted], check=True)
    return {entry["metadata"]["name"].lower() for entry in json.loads(report.read_text())["install"]}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("python", "constraint"),
    [
        pytest.param("3.11", "numpy<2", id="bookworm"),  # apt's picamera2 there is built against NumPy 1.24
        pytest.param("3.13", "numpy>=2", id="trixie"),
    ],
)
def test_the_edge_extra_resolves_for_a_pi_from_wheels_alone(
    wheel: Path, tmp_path: Path, python: str, constraint: str
) -> None:
    names = resolve(tmp_path / "report.json", python, f"{wheel}[edge]", constraint)
    assert {"ai-edge-litert", "gpiozero", "opencv-python-headless", "starlette"} <= names
    assert names.isdisjoint({"tensorflow", "keras", "torch", "jax", "scikit-learn"})


@pytest.mark.slow
@pytest.mark.parametrize(("python", "system"), [("3.11", "bookworm"), ("3.13", "trixie")])
def test_what_is_pinned_for_a_pi_is_there_with_these_hashes(tmp_path: Path, python: str, system: str) -> None:
    lock = ROOT / "docs" / "install" / f"pi-{system}.txt"
    names = resolve(tmp_path / "report.json", python, "--require-hashes", "--requirement", str(lock))
    assert {"ai-edge-litert", "gpiozero", "opencv-python-headless", "starlette"} <= names


def test_the_wheel_carries_the_model_the_photos_the_stations_and_the_page(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert any(name.startswith("edge/model/") and name.endswith(".sorter") for name in names)
    assert sum(name.startswith("edge/simulate/photos/") and name.endswith(".jpg") for name in names) >= 70
    assert "edge/model/digests.txt" in names
    assert "edge/stations/demo.toml" in names
    assert any(name.startswith("edge/web/") and name.endswith(".html") for name in names)
    assert not any(name.startswith("tests/") for name in names)


def test_importing_the_command_line_loads_neither_a_workstation_nor_a_pi_library() -> None:
    heavy = ["tensorflow", "keras", "torch", "gpiozero", "picamera2", "cv2", "ai_edge_litert"]
    code = f"import sys, edge.cli; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
