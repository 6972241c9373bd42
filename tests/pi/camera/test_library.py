"""What the everyday tests imitate of picamera2 is what the real one has; what is bent for these is said in test_frames.py."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.imitated_picamera2 import FakeMappedArray, FakePicamera2, FakeRequest, imitated_picamera2
from support.pi.camera_root import CameraRoot

from edge.clock import VirtualClock

Proven = Callable[..., None]
LIBRARY = runpy.run_path(str(Path(__file__).parent / "inside" / "library.py"), run_name="library")
BY_NAME = {"KEYWORD_ONLY"}


@pytest.fixture(scope="module")
def real(square: CameraRoot) -> dict[str, Any]:
    answer: dict[str, Any] = square.ask("library")
    return answer


def unlike(imitated: list[list[Any]], real: list[list[Any]]) -> list[str]:
    """In what the imitation's parameters could be called that the real one would not understand, or lacks."""
    names = [name for name, _, _ in real]
    wrong = [name for name, _, _ in imitated if name not in names]
    by_place = [name for name, kind, _ in imitated if kind not in BY_NAME]
    if by_place != names[: len(by_place)]:
        wrong.append(f"{by_place} stand elsewhere than in {names}")
    mine = {name for name, _, _ in imitated}
    return wrong + [
        f"{name} is missing" for name, _, may_be_left_out in real if not may_be_left_out and name not in mine
    ]


def test_the_imitation_is_called_as_the_real_library(real: dict[str, Any], proven: Proven) -> None:
    imitated = LIBRARY["signatures"](FakePicamera2, FakeRequest, FakeMappedArray)
    assert imitated.keys() == real["signatures"].keys()
    found = {name: unlike(mine, real["signatures"][name]) for name, mine in imitated.items()}
    assert {name: wrong for name, wrong in found.items() if wrong} == {}
    proven(
        "The imitation of picamera2 that the everyday tests have takes the arguments that the real library takes",
        methods=len(imitated),
    )


def test_the_imitation_gives_what_the_real_library_gives(real: dict[str, Any], proven: Proven) -> None:
    traits = {"cameras": [{"Model": "imx708", "Id": "i2c@1", "Num": 0}]}
    assert LIBRARY["used"](imitated_picamera2(VirtualClock(), **traits)) == real["used"]
    proven("The imitation of picamera2 gives the types, shapes, formats and errors that the real library gives")
