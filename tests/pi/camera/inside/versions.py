"""Which versions these are."""

import platform
from importlib.metadata import version

import libcamera
from asked import answer

answer(
    picamera2=version("picamera2"),
    libcamera=libcamera.CameraManager.singleton().version.removeprefix("v"),
    numpy=version("numpy"),
    opencv=version("opencv-python-headless"),
    python=platform.python_version(),
)
