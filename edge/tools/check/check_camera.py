"""What `sorter check` asks of the camera: whether it is there, is one, and may be used."""

from __future__ import annotations

import errno
import fcntl
import importlib.util
import os
import stat
import struct
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from edge.clock import VirtualClock
from edge.config import Station
from edge.config.cameras import FolderCamera, Picamera2Camera, V4l2Camera, VideoCamera
from edge.devices.camera import open_camera
from edge.errors import CameraError
from edge.tools.check.problems import Problem, error_on_a_pi, this_machine

# `struct v4l2_capability` of linux/videodev2.h: driver, card, bus, version, capabilities, device_caps, reserved.
_CAPABILITY = struct.Struct("=16s32s32sIII12x")
_VIDIOC_QUERYCAP = 0x80685600
_VIDEO_CAPTURE, _DEVICE_CAPS = 0x1, 0x80000000


def camera_problems(station: Station, root: Path = Path("/")) -> Iterator[Problem]:
    """A camera that is not there, or is none; one that the running service uses is left alone."""
    problems = CAMERA_PROBLEMS.get(station.camera.type)
    return iter(()) if problems is None else problems(station.camera, root)


def _picamera_problems(camera: Picamera2Camera, root: Path) -> Iterator[Problem]:
    if importlib.util.find_spec("picamera2") is None:
        yield Problem(
            error_on_a_pi(root),
            "camera.type",
            f"picamera2 is not installed on {this_machine(root)}, so `sorter run` would end at once: sudo apt install "
            "python3-picamera2, and make the virtual environment with --system-site-packages",
        )


def _usb_problems(camera: V4l2Camera, root: Path) -> Iterator[Problem]:
    device = camera.device
    where, path = "camera.device", root / device.lstrip("/")
    try:
        is_device = stat.S_ISCHR(path.stat().st_mode)
        capture = is_device and _captures(path)
    except FileNotFoundError:
        yield Problem("error", where, f"{device}: no such device: plug the camera in; `ls /dev/v4l/by-id/` shows them")
    except PermissionError:
        yield Problem(
            "warning", where, f"{device}: you may not open it: sudo usermod -aG video $USER, then log in again"
        )
    except OSError as error:
        if error.errno == errno.ENOTTY:
            yield Problem("error", where, f"{device}: is no camera; `ls /dev/v4l/by-id/` shows which there are")
        else:
            yield Problem("error", where, f"{device}: can't be opened ({error.strerror})")
    else:
        if not capture:
            what = "a camera's second device, which gives no pictures" if is_device else "a file and no device"
            yield Problem("error", where, f"{device}: is {what}; `ls /dev/v4l/by-id/` shows which there are")


def _captures(path: Path) -> bool:
    """Ask the driver whether pictures come from this device; it may be in use meanwhile."""
    handle = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        answer = fcntl.ioctl(handle, _VIDIOC_QUERYCAP, bytes(_CAPABILITY.size))
    finally:
        os.close(handle)
    *_, whole, own = _CAPABILITY.unpack(answer)
    return bool((own if whole & _DEVICE_CAPS else whole) & _VIDEO_CAPTURE)


def _recorded_problems(camera: VideoCamera | FolderCamera, root: Path) -> Iterator[Problem]:
    try:
        opened = open_camera(camera, VirtualClock())
        try:
            opened.read()
        finally:
            opened.close()
    except CameraError as error:
        yield Problem("error", "camera.path", str(error))


# By the `type` of its settings; of a type that is not here nothing is asked.
CAMERA_PROBLEMS: Mapping[str, Callable[[Any, Path], Iterator[Problem]]] = {
    "picamera2": _picamera_problems,
    "v4l2": _usb_problems,
    "video": _recorded_problems,
    "folder": _recorded_problems,
}
