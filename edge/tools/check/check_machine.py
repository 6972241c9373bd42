"""What `sorter check` asks of the machine that it runs on: the camera, the pins, the page's port, the state folder.

What `sorter run` would refuse is an error. Two things are warnings instead: what only a Raspberry Pi can have, where
this machine is none (a station file is often written on a workstation), and what depends on who runs it, or on a
service that is running now.
"""

from __future__ import annotations

import errno
import fcntl
import importlib.util
import os
import shutil
import stat
import struct
from collections.abc import Iterator
from pathlib import Path

from edge.clock import VirtualClock
from edge.config import Station
from edge.config.cameras import FolderCamera, V4l2Camera, VideoCamera
from edge.devices.camera import open_camera
from edge.errors import CameraError, ConfigError
from edge.system.mounts import memory_under
from edge.tools.check.problems import Problem, Severity

LEAST_FREE_MB = 100
# `struct v4l2_capability` of linux/videodev2.h: driver, card, bus, version, capabilities, device_caps, reserved.
_CAPABILITY = struct.Struct("=16s32s32sIII12x")
_VIDIOC_QUERYCAP = 0x80685600
_VIDEO_CAPTURE, _DEVICE_CAPS = 0x1, 0x80000000
_LIVE = ("picamera2", "v4l2")


def machine_problems(station: Station, root: Path = Path("/")) -> Iterator[Problem]:
    """Compare a station with this machine; nothing is moved or kept. `root` is where its /dev and /proc are looked for."""
    yield from camera_problems(station, root)
    if station.camera.type in _LIVE and station.pin_users():
        yield from gpio_problems(root)
    if station.page.enabled:
        yield from page_problems(station)
    if station.camera.type != "simulated":
        yield from state_problems(station.state_folder, root)


def camera_problems(station: Station, root: Path = Path("/")) -> Iterator[Problem]:
    """A camera that is not there, or is none; one that the running service uses is left alone."""
    camera = station.camera
    if camera.type == "picamera2" and importlib.util.find_spec("picamera2") is None:
        yield Problem(
            _on_a_pi(root),
            "camera.type",
            f"picamera2 is not installed on {_this(root)}, so `sorter run` would end at once: sudo apt install "
            "python3-picamera2, and make the virtual environment with --system-site-packages",
        )
    elif isinstance(camera, V4l2Camera):
        yield from _usb_problems(camera.device, root)
    elif isinstance(camera, VideoCamera | FolderCamera):
        yield from _recorded_problems(camera)


def _usb_problems(device: str, root: Path) -> Iterator[Problem]:
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


def _recorded_problems(camera: VideoCamera | FolderCamera) -> Iterator[Problem]:
    try:
        opened = open_camera(camera, VirtualClock())
        try:
            opened.read()
        finally:
            opened.close()
    except CameraError as error:
        yield Problem("error", "camera.path", str(error))


def gpio_problems(root: Path = Path("/")) -> Iterator[Problem]:
    """No chip of pins, or none that this user may drive."""
    chips = sorted((root / "dev").glob("gpiochip*"))
    if not chips:
        yield Problem(
            _on_a_pi(root),
            "gpio",
            f"{_this(root)} has no /dev/gpiochip*, so `sorter run` could drive no pin: "
            "the station's pins need a Raspberry Pi",
        )
    elif not any(os.access(chip, os.R_OK | os.W_OK) for chip in chips):
        text = f"you may not use {chips[0].name}: sudo usermod -aG gpio $USER, then log in again (the service may)"
        yield Problem("warning", "gpio", text)


def page_problems(station: Station) -> Iterator[Problem]:
    """An address that the page can't listen on."""
    from edge.web.server import listen

    page = station.page
    try:
        listen(page.host, page.port).close()
    except ConfigError as error:
        in_use = "another program uses it" in str(error)
        maybe = " (if it is the sorter service that runs now, all is well)" if in_use else ""
        yield Problem("warning" if in_use else "error", "page", f"{error}{maybe}")


def state_problems(folder: Path, root: Path = Path("/")) -> Iterator[Problem]:
    """A state folder that can't be made or written, that is full, or that is gone when the power goes."""
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    where = "state_folder"
    if not there.is_dir():
        yield Problem("error", where, f"{folder}: {there} is a file; expected a folder: choose another state_folder")
        return
    if not os.access(there, os.W_OK | os.X_OK):
        yield Problem(
            "warning", where, f"{there} can't be written by you; the service's user is given it by `sudo sorter setup`"
        )
    free_mb = shutil.disk_usage(there).free / 2**20
    if free_mb < LEAST_FREE_MB:
        text = f"{free_mb:.0f} MB free for {folder}: what does not fit is not kept: sorter model prune, or remove other files"
        yield Problem("warning", where, text)
    if memory := memory_under(folder, root):
        yield Problem("warning", where, in_memory(folder, memory))


def in_memory(folder: Path, memory: str) -> str:
    """Say what it means that a state folder lies in memory."""
    overlay = "switch the Overlay File System off (sudo raspi-config), or " if "verlay" in memory else ""
    return (
        f"{folder} is kept in memory ({memory}): journal, calibration, installed models and a pressed emergency stop are "
        f"gone when the power goes; {overlay}set state_folder to a folder on a disk"
    )


def _on_a_pi(root: Path) -> Severity:
    return "error" if _is_pi(root) else "warning"


def _this(root: Path) -> str:
    return "this Raspberry Pi" if _is_pi(root) else "this machine (no Raspberry Pi)"


def _is_pi(root: Path) -> bool:
    try:
        return b"Raspberry Pi" in (root / "proc/device-tree/model").read_bytes()
    except OSError:
        return False
