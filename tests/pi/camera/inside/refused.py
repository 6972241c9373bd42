"""Open cameras that can't be had, `refused.py TIMES`: what is said of each, and the descriptors after each time."""

import gc
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import picamera2
from asked import answer, descriptors, opened, settings

from edge.clock import NS_PER_S, SystemClock
from edge.devices.camera.picamera import PiCamera
from edge.errors import CameraError

UNPLUGGED = Path("/opt/cameras/unplugged")


def absent() -> Any:
    return opened(index=3)


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
    try:
        return opened()
    finally:
        picamera2.Picamera2.converts = True


class AnHourOn(SystemClock):
    """What a station's clock is to a camera whose stamps are of another one."""

    def now(self) -> int:
        return super().now() + 3600 * NS_PER_S


def other_clock() -> Any:
    return PiCamera(settings(), AnHourOn())


def taken() -> Any:
    return opened()


def refused(how: Callable[[], Any]) -> dict[str, Any]:
    said, counts = set(), []
    for _ in range(int(sys.argv[1])):
        try:
            how()
            said.add("opened")
        except CameraError as error:
            said.add(f"{type(error).__name__}: {error}")
        gc.collect()
        counts.append(descriptors())
    return {"said": sorted(said), "descriptors": counts}


found = {
    how.__name__: refused(how)
    for how in (absent, silent, other_size, no_exposure, no_colour, other_format, other_clock)
}
holder = opened()
found["taken"] = refused(taken)
answer(found=found, holder_reads=holder.read().pixels.shape)
