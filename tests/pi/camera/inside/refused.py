"""Open a camera that can't be had, `refused.py HOW TIMES`; what was said, and the descriptors after each time."""

import gc
import sys
from pathlib import Path
from typing import Any

import picamera2
from asked import CLOCK, answer, descriptors, opened, settings

from edge.devices.camera.picamera import PiCamera
from edge.errors import CameraError

UNPLUGGED = Path("/opt/cameras/unplugged")


def absent() -> Any:
    return opened(index=3)


def taken() -> Any:
    return opened()


def silent() -> Any:
    UNPLUGGED.touch()
    try:
        return opened(stall_ms=300)
    finally:
        UNPLUGGED.unlink()


def other_size() -> Any:
    return opened(width=800, height=600)


def no_exposure() -> Any:
    return opened(exposure_us=2000)


def no_colour() -> Any:
    return opened(red_gain=1.9, blue_gain=1.6)


def other_format() -> Any:
    picamera2.Picamera2.converts = False
    return PiCamera(settings(), CLOCK)


how = sys.argv[1]
holder = opened() if how == "taken" else None
said, counts = set(), []
for _ in range(int(sys.argv[2])):
    try:
        globals()[how]()
        said.add("opened")
    except CameraError as error:
        said.add(f"{type(error).__name__}: {error}")
    gc.collect()
    counts.append(descriptors())
reads = None if holder is None else holder.read().pixels.shape
answer(said=sorted(said), descriptors=counts, holder_reads=reads)
