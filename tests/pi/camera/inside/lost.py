"""Lose the camera in several ways, and open it again: what is said, after how long, and what comes then."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from asked import CLOCK, answer, opened

from edge.devices.camera.picamera import PiCamera
from edge.errors import CameraError

UNPLUGGED = Path("/opt/cameras/unplugged")
STALL_MS = 500


def failure(camera: PiCamera) -> dict[str, Any]:
    """What the camera says in the end, and how long that and closing it took."""
    began_at = CLOCK.now()
    try:
        for _ in range(10):
            last_at = camera.read().captured_at
            began_at = CLOCK.now()
        said = f"a frame of {last_at}"
    except CameraError as error:
        said = f"{type(error).__name__}: {error}"
    ended_at = CLOCK.now()
    camera.close()
    return {"said": said, "after_ms": (ended_at - began_at) / 1e6, "closed_ms": (CLOCK.now() - ended_at) / 1e6}


def cable(camera: PiCamera) -> None:
    UNPLUGGED.touch()


def stopped(camera: PiCamera) -> None:
    camera._device.stop()


def all_lent(camera: PiCamera) -> None:
    kept.extend(camera.borrow() for _ in range(4))


def closed(camera: PiCamera) -> None:
    camera.close()


def lose(how: Callable[[PiCamera], None]) -> dict[str, Any]:
    camera = opened(width=1280, height=960, stall_ms=STALL_MS)
    first = camera.read()
    how(camera)
    found = failure(camera)
    UNPLUGGED.unlink(missing_ok=True)
    kept.clear()
    again = opened(width=1280, height=960)
    found["again"] = again.read().captured_at > first.captured_at
    again.close()
    return found


kept: list[Any] = []
answer(**{how.__name__: lose(how) for how in (cable, stopped, all_lent, closed)})
