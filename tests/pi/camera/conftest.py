"""One virtual camera for all: a green square that moves to the right, 16 pixels of 640 a frame."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from support.pi.camera_root import CameraRoot, play

SIZES = ((1280, 960), (640, 480))
PICTURES, STEP_PX = 32, 16


@pytest.fixture(scope="session", autouse=True)
def _told(ran_with: Callable[..., None], square: CameraRoot) -> None:
    ran_with("camera", debian="13", **square.ask("versions"))


@pytest.fixture(scope="session")
def square(tmp_path_factory: pytest.TempPathFactory) -> CameraRoot:
    photos = []
    for number in range(PICTURES):
        picture = np.full((480, 640, 3), 60, np.uint8)
        left = STEP_PX * (1 + number)
        picture[200:280, left : left + 80] = (40, 200, 30)
        photos.append(cv2.imencode(".jpg", picture)[1].tobytes())
    return CameraRoot(play(tmp_path_factory.mktemp("cameras"), photos, SIZES))
