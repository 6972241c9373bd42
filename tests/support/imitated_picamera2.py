"""As much of picamera2 (0.3.38) as is used, without hardware; tests/pi/camera holds it against the real library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from edge.clock import NS_PER_S, VirtualClock, ms
from edge.types import Image


def picture(number: int, size: tuple[int, int]) -> Image:
    """Red, with a green square that tells the pictures apart."""
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[:] = (200, 10, 30)
    pixels[8:24, 8 : 24 + 8 * (number % 8)] = (20, 220, 40)
    return pixels


class FakeRequest:
    """A completed request of picamera2; its buffer is overwritten once it is released."""

    def __init__(self, device: FakePicamera2) -> None:
        self._device = device
        self._taken_at = device.stuck_at or device.clock.now() - ms(60)

    def make_array(self, name: str) -> Image:
        if name == "main":
            return self._device.buffer.copy()
        width, height = self._device.config[name]["size"]
        return as_yuv420(cv2.resize(self._device.buffer, (width, height), interpolation=cv2.INTER_AREA))

    def get_metadata(self) -> dict[str, Any]:
        stamp = {"SensorTimestamp": self._taken_at + self._device.offset_ns}
        wanted = self._device.config["controls"]
        said = {"DigitalGain": 1.0, **{key: wanted[key] for key in ("ExposureTime", "ColourGains") if key in wanted}}
        return {"FrameDuration": 33333, **said, **(stamp if self._device.stamped else {})}

    def release(self) -> None:
        self._device.held -= 1
        self._device.buffer[:] = 0


def as_yuv420(pixels: Any) -> Image:
    """The three planes of a picture as the image processor gives them: rows padded to a multiple of 64."""
    padded = cv2.copyMakeBorder(pixels, 0, 0, 0, -pixels.shape[1] % 64, cv2.BORDER_CONSTANT)
    planes: Image = np.asarray(cv2.cvtColor(padded, cv2.COLOR_RGB2YUV_I420), np.uint8)
    return planes


class FakeMappedArray:
    """The camera's own buffer, as long as it is entered."""

    def __init__(self, request: FakeRequest, stream: str, *, write: bool) -> None:
        assert (stream, write) == ("main", False)
        self.array = request._device.buffer

    def __enter__(self) -> FakeMappedArray:
        return self

    def __exit__(self, exc_type: object, exc_value: object, exc_traceback: object) -> None:
        del self.array


class FakePicamera2:
    """Picamera2; a test gives its own class other traits."""

    cameras: Sequence[dict[str, Any]] = ({"Model": "imx708", "Id": "/base/soc/i2c0mux/i2c@1/imx708@1a", "Num": 0},)
    clock = VirtualClock()
    offset_ns = 0
    stamped = True
    stuck_at = 0
    stalled = False
    size: tuple[int, int] | None = None
    busy = False
    format: str | None = None  # what libcamera makes of the one that is asked for
    camera_controls: Mapping[str, tuple[Any, Any, Any]] = {
        "FrameDurationLimits": (8_333, 1_000_000, None),
        "AeEnable": (False, True, None),
        "ExposureTime": (26, 220_417_486, 20_000),
        "AnalogueGain": (1.122807, 16.0, 1.0),
        "AwbEnable": (False, True, None),
        "ColourGains": (0.0, 32.0, None),
    }

    def __init__(self, camera_num: int) -> None:
        if camera_num >= len(self.cameras):
            raise RuntimeError(f"No camera number {camera_num} found")
        if self.busy:
            busy = RuntimeError("Failed to acquire camera: Device or resource busy")
            raise RuntimeError("Camera __init__ sequence did not complete.") from busy
        self.held = self.count = self.closed = self.cancelled = 0
        self.config: dict[str, Any] = {}

    @classmethod
    def global_camera_info(cls) -> list[dict[str, Any]]:
        return list(cls.cameras)

    def create_video_configuration(
        self,
        main: dict[str, Any],
        lores: dict[str, Any] | None = None,
        *,
        colour_space: str,
        controls: dict[str, Any],
        buffer_count: int,
    ) -> dict[str, Any]:
        assert colour_space == "BT.601"  # as `as_yuv420` has it
        return {"main": main, "lores": lores, "controls": controls, "buffer_count": buffer_count}

    def configure(self, camera_config: dict[str, Any]) -> None:
        for name in camera_config["controls"]:
            if name not in self.camera_controls:
                raise RuntimeError(f"Control {name} is not advertised by libcamera")
        self.config = camera_config
        camera_config["main"] |= {
            "size": self.size or camera_config["main"]["size"],
            "format": self.format or camera_config["main"]["format"],
        }

    def camera_configuration(self) -> dict[str, Any]:
        return self.config

    def start(self) -> None:
        assert self.config["main"]["format"] == "BGR888"  # R, G, B in memory

    def capture_request(self, wait: bool) -> str:
        assert wait is False
        return "job"

    def wait(self, job: str, timeout: float) -> FakeRequest:
        if self.stalled:
            self.clock.advance_to(self.clock.now() + round(timeout * NS_PER_S))
            raise TimeoutError
        self.clock.advance_to(self.clock.now() + ms(33))
        self.held += 1
        assert self.held == 1, "a request was not released"
        self.count += 1
        self.buffer = picture(self.count, self.config["main"]["size"])
        return FakeRequest(self)

    def cancel_all_and_flush(self) -> None:
        self.cancelled += 1

    def close(self) -> None:
        self.closed += 1


class FakeColorSpace:
    """libcamera.ColorSpace."""

    @staticmethod
    def Smpte170m() -> str:
        return "BT.601"


class FakeLibcamera:
    """The module libcamera, which picamera2 names."""

    ColorSpace = FakeColorSpace


@dataclass(frozen=True)
class Imitated:
    """Stands in for the module."""

    Picamera2: Any
    MappedArray: Any = FakeMappedArray
    libcamera: Any = FakeLibcamera


def imitated_picamera2(clock: VirtualClock, **traits: Any) -> Imitated:
    return Imitated(Picamera2=type("Fake", (FakePicamera2,), {"clock": clock, **traits}))
