"""Cameras: where frames come from. Each kind is imported when a station asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.errors import CameraError

if TYPE_CHECKING:
    from edge.config.cameras import CameraSettings
    from edge.interfaces import Camera, Clock


def open_camera(settings: CameraSettings, clock: Clock) -> Camera:
    """Open the camera that the settings describe; a simulated one is its world's to open.

    Raises:
        CameraError: it is absent, busy, or gives something other than what was asked for.
        SetupError: the library that drives it is not installed.
    """
    if settings.type == "picamera2":
        from edge.devices.camera.picamera import PiCamera

        return PiCamera(settings, clock)
    if settings.type == "v4l2":
        from edge.devices.camera.usb import UsbCamera

        return UsbCamera(settings, clock)
    if settings.type == "video":
        from edge.devices.camera.clip import ClipCamera

        return ClipCamera(settings, clock)
    if settings.type == "folder":
        from edge.devices.camera.photos import PhotoCamera

        return PhotoCamera(settings, clock)
    raise CameraError("a simulated camera needs a simulated world; a recorded clip is camera type video")
