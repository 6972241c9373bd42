"""Open the camera with everything set by hand, and list what libcamera has of what the product names."""

import libcamera
from asked import answer, opened

from edge.devices.camera.picamera_controls import SETTING_OF

# What frames are asked for in `picamera_controls.used_controls` and `PiCamera`.
REPORTED = ("SensorTimestamp", "ExposureTime", "AnalogueGain", "DigitalGain", "ColourGains")

camera = opened(exposure_us=2000, gain=4.0, red_gain=1.9, blue_gain=1.6)
gain_range = camera.gain_range
camera.read()
camera.close()
known = {name: getattr(libcamera.controls, name, None) for name in (*SETTING_OF, *REPORTED)}
answer(
    known={name: None if one is None else str(one.type).removeprefix("ControlType.") for name, one in known.items()},
    gain_range=gain_range,
)
