"""What libcamera calls the settings of a Pi camera, and whether a sensor has them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from edge.config.cameras import Picamera2Camera
from edge.errors import CameraControlError
from edge.interfaces import Controls

log = logging.getLogger(__name__)

# Which keys of [camera] ask for a control of libcamera's.
SETTING_OF = {
    "AeEnable": ("exposure_us", "gain"),
    "ExposureTime": ("exposure_us",),
    "AnalogueGain": ("gain",),
    "AwbEnable": ("red_gain", "blue_gain"),
    "ColourGains": ("red_gain", "blue_gain"),
    "FrameDurationLimits": ("frames_per_s",),
}
# Each sensor, and each size of its pictures, has its own limits of these.
LIMITED = ("ExposureTime", "AnalogueGain", "FrameDurationLimits")
# What is beyond a limit by less is rounding.
SLACK = 0.005

# By libcamera's name: the least, the most and the usual value.
Limits = Mapping[str, tuple[Any, Any, Any]]


def wanted_controls(settings: Picamera2Camera, has: Limits, who: str) -> dict[str, Any]:
    """Return what libcamera is asked for, by its own names.

    Raises:
        CameraControlError: the sensor does not have one of them; picamera2 would not say which setting asks for it.
    """
    controls: dict[str, Any] = {}
    if settings.exposure_us is not None and settings.gain is not None:
        controls["AeEnable"] = False  # with only one of them fixed, the other is still to be found
    if settings.exposure_us is not None:
        controls["ExposureTime"] = settings.exposure_us
    if settings.gain is not None:
        controls["AnalogueGain"] = settings.gain
    if settings.red_gain is not None and settings.blue_gain is not None:
        controls["AwbEnable"] = False
        controls["ColourGains"] = (settings.red_gain, settings.blue_gain)
    missing = [name for name in controls if name not in has]
    if missing:
        keys = " and ".join(dict.fromkeys(f"camera.{key}" for name in missing for key in SETTING_OF[name]))
        colour = " (a monochrome one has no colours to balance)" if "ColourGains" in missing else ""
        raise CameraControlError(
            f"{who} has no control {', '.join(missing)}{colour}: "
            f"remove {keys} from the station file, and run `sorter calibrate camera` if it was calibrated"
        )
    if "FrameDurationLimits" in has:
        frame_us = round(1e6 / settings.frames_per_s)
        controls["FrameDurationLimits"] = (frame_us, frame_us)
    return controls


def tell_of_limits(controls: Mapping[str, Any], has: Limits, who: str) -> None:
    """Log what is asked of the sensor that it can't do in the size that it is set to: it takes the nearest that it can."""
    for name in LIMITED:
        if name not in controls or name not in has:
            continue
        value = controls[name]
        asked = float(value[0] if isinstance(value, tuple) else value)
        least, most = (float(limit) for limit in has[name][:2])
        if least * (1 - SLACK) <= asked <= most * (1 + SLACK):
            continue
        if name == "FrameDurationLimits":
            asked, least, most = 1e6 / asked, 1e6 / most, 1e6 / least
        (key,) = SETTING_OF[name]
        log.warning(
            "%s takes the nearest that it can: camera.%s is %.4g, and it has %.4g to %.4g", who, key, asked, least, most
        )


def used_controls(metadata: Mapping[str, Any]) -> Controls:
    """Return what a frame was taken with."""
    red, blue = metadata.get("ColourGains") or (None, None)
    return Controls(
        exposure_us=metadata.get("ExposureTime"),
        gain=metadata.get("AnalogueGain"),
        digital_gain=metadata.get("DigitalGain"),
        red_gain=red,
        blue_gain=blue,
    )
