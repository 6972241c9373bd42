"""Cameras: where frames come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from edge.devices.camera.clip import ClipCamera
from edge.devices.camera.photos import PhotoCamera
from edge.devices.camera.picamera import PiCamera
from edge.devices.camera.usb import UsbCamera
from edge.errors import CameraError

if TYPE_CHECKING:
    from edge.config.cameras import CameraSettings
    from edge.interfaces import Camera, Clock

# By the `type` of its settings; each imports the library that drives it when it is opened.
CAMERA_TYPES: Mapping[str, Callable[[Any, Clock], Camera]] = {
    "picamera2": PiCamera,
    "v4l2": UsbCamera,
    "video": ClipCamera,
    "folder": PhotoCamera,
}


def open_camera(settings: CameraSettings, clock: Clock) -> Camera:
    """Open the camera that the settings describe; a simulated one is its world's to open.

    Raises:
        CameraError: it is absent, busy, or gives something other than what was asked for.
        SetupError: the library that drives it is not installed.
    """
    if (camera_type := CAMERA_TYPES.get(settings.type)) is None:
        raise CameraError("a simulated camera needs a simulated world; a recorded clip is camera type video")
    return camera_type(settings, clock)
