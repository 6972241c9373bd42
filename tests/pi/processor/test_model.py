"""The model's answers on the Pi's processor beside those on x86-64."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.paths import ROOT
from support.pi.emulator import Machine
from support.pi.installed import FOLDER, Install

Proven = Callable[..., None]

INSIDE = {Path(__file__).parent / "inside": "/inside"}
PYTHON = f"{FOLDER}/bin/python3"
PHOTOS = ROOT / "edge" / "simulate" / "photos"
# Those of a Pi 3 and Zero 2 W, of a Pi 4, and of a Pi 5, which has dot products.
PROCESSORS = ("cortex-a53", "cortex-a72", "cortex-a76")


@pytest.mark.parametrize("processor", PROCESSORS)
def test_golden_vectors_and_photos_are_bit_exact(pi: Install, processor: str, proven: Proven) -> None:
    machine = Machine(pi.root(), processor, INSIDE)
    result = json.loads(machine.must([PYTHON, "/inside/vectors.py", "litert", "2"], timeout_s=1800))
    assert result["count"] > result["photos"] > 0
    assert result["worst_steps"] == 0
    assert result["same_labels"] == result["count"]
    proven(
        "The shipped model's golden vectors and photos are bit-exact on the cores of a Pi 3 and Zero 2 W, a Pi 4 and a Pi 5",
        vectors=result["count"],
        steps_apart=result["worst_steps"],
    )


def test_fifty_photos_get_the_scores_that_they_get_on_x86_64(
    pi: Install, here: Install, tmp_path: Path, proven: Proven
) -> None:
    photos = sorted(PHOTOS.rglob("*.jpg"))
    for photo in photos[:: len(photos) // 50][:50]:
        shutil.copy(photo, tmp_path)
    there, expected = (_classified(Machine(install.root(), shared={tmp_path: "/photos"})) for install in (pi, here))
    assert len(there) == 50
    assert there == expected
    proven("`sorter classify` gives photos the very scores that it gives them on x86-64", photos=len(there))


def _classified(machine: Machine) -> list[dict[str, Any]]:
    answer = json.loads(machine.must(["sorter", "classify", "--json", "/photos"], timeout_s=1800))
    return [{name: value for name, value in photo.items() if name != "milliseconds"} for photo in answer["photos"]]


def test_tflite_runtime_stays_within_its_tolerance(proven: Proven) -> None:
    """It is frozen at Python 3.11 and NumPy 1: Bookworm's."""
    machine = Machine(Install("bookworm").root(), shared=INSIDE)
    steps = (
        f"{FOLDER}/bin/pip install --quiet tflite-runtime==2.14.0",
        f"{PYTHON} /inside/vectors.py tflite-runtime 2",
    )
    result = json.loads(machine.must(["sh", "-ec", "\n".join(steps)], timeout_s=1800).splitlines()[-1])
    assert result["runtime"] == "tflite-runtime"
    assert 0 < result["worst_steps"] <= result["tolerance"]
    assert result["same_labels"] == result["count"]
    proven(
        "tflite-runtime on Bookworm names every golden vector and photo alike, some steps of its outputs apart",
        vectors=result["count"],
        steps_apart=result["worst_steps"],
    )
