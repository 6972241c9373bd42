"""Settings of the cameras."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from edge.config.base import ColourGain, ExposureUs, Gain, Kelvin, Settings


class CameraBase(Settings):
    """What every camera has.

    Attributes:
        is_live: it looks at the place itself; only then are real pins driven: no other picture may move real things.
        is_replayed: it shows what was recorded.
        is_simulated: it looks at the simulated station.
        has_own_size: size and rate are those of what was recorded, whatever the settings say.
    """

    is_live: ClassVar[bool] = False
    is_replayed: ClassVar[bool] = False
    is_simulated: ClassVar[bool] = False
    has_own_size: ClassVar[bool] = False

    width: int = Field(default=640, ge=64, le=4096, description="frame width, pixels")
    height: int = Field(default=480, ge=64, le=4096, description="frame height, pixels")
    frames_per_s: float = Field(default=30.0, gt=0, le=240, description="frame rate, frames per second")


class ExposedCamera(CameraBase):
    """Controls that real sensors share; calibration measures the values and locks them."""

    exposure_us: ExposureUs | None = Field(
        default=None, description="exposure time, microseconds; unset: automatic", examples=[2000]
    )
    gain: Gain | None = Field(default=None, description="analogue gain; unset: automatic", examples=[4.0])


class ColourCamera(ExposedCamera):
    """Colour gains, as sensors without a processor of their own have them."""

    red_gain: ColourGain | None = Field(
        default=None, description="colour gain; unset: automatic white balance", examples=[1.9]
    )
    blue_gain: ColourGain | None = Field(
        default=None, description="colour gain; unset: automatic white balance", examples=[1.6]
    )

    @model_validator(mode="after")
    def _both_gains(self) -> Self:
        if (self.red_gain is None) != (self.blue_gain is None):
            raise ValueError("red_gain and blue_gain belong together: set both or neither")
        return self


class DeviceCamera(ExposedCamera):
    """A camera on a cable."""

    is_live: ClassVar[bool] = True

    stall_ms: float = Field(
        default=2000.0, ge=100, le=60_000, description="no frame for this long means that the camera is lost, ms"
    )


class Picamera2Camera(ColourCamera, DeviceCamera):
    """A Raspberry Pi camera through libcamera."""

    type: Literal["picamera2"] = Field(description="which kind of camera")
    index: int = Field(default=0, ge=0, le=7, description="which camera, as `rpicam-hello --list-cameras` numbers them")


class V4l2Camera(DeviceCamera):
    """A USB camera."""

    type: Literal["v4l2"] = Field(description="which kind of camera")
    device: str = Field(default="/dev/video0", description="device file; a /dev/v4l/by-id/ path survives re-plugging")
    white_balance_k: Kelvin | None = Field(
        default=None, description="colour temperature, kelvin; unset: automatic", examples=[5000]
    )


class VideoCamera(CameraBase):
    """A recorded clip, for replay; its own size and frame rate are used."""

    is_replayed: ClassVar[bool] = True
    has_own_size: ClassVar[bool] = True

    type: Literal["video"] = Field(description="which kind of camera")
    path: Path = Field(description="video file, relative to the station file", examples=["belt.mp4"])
    loop: bool = Field(default=False, description="start again at the end")


class FolderCamera(CameraBase):
    """Photos from a folder in the order of their names, for replay."""

    is_replayed: ClassVar[bool] = True

    type: Literal["folder"] = Field(description="which kind of camera")
    path: Path = Field(description="folder of photos, relative to the station file", examples=["photos"])
    loop: bool = Field(default=False, description="start again at the end")


class SimulatedCamera(ColourCamera):
    """A camera over the simulated station; needs the [simulation] table's settings, which have defaults."""

    is_simulated: ClassVar[bool] = True

    type: Literal["simulated"] = Field(description="which kind of camera")


CameraSettings = Annotated[
    Picamera2Camera | V4l2Camera | VideoCamera | FolderCamera | SimulatedCamera, Field(discriminator="type")
]
