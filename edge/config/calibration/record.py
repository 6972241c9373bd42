"""What was measured on site: the machine's own file, `calibration.toml` in the state folder.

The human's station file is never touched. Each step stores a digest of the settings that it depends on, so that a
changed setting makes stale what hangs on it and nothing else (`edge/config/calibration/overlay.py`).
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from edge.config.base import (
    ColourGain,
    DebounceMs,
    ExposureUs,
    Gain,
    Kelvin,
    MmPerPixel,
    Name,
    Pixel,
    Pixels,
    PulseUs,
    Settings,
    Speed,
    Steps,
    TicksPerMm,
    TravelMs,
)

FORMAT_VERSION: Final = 1


class Step(Settings):
    """What every measured step keeps."""

    measured_at: str = Field(description="date and time of the measurement, ISO 8601, UTC")
    of: str = Field(description="digest of the settings that it depends on")


class CameraStep(Step):
    """The camera, its view and its scale."""

    identity: str = Field(description="the camera that it was measured with")
    x: Pixel = Field(description="region's left edge, pixels")
    y: Pixel = Field(description="region's top edge, pixels")
    width: Pixels = Field(description="region's width, pixels")
    height: Pixels = Field(description="region's height, pixels")
    focus: float = Field(ge=0, description="sharpness of the sheet, 0 to 1: detail that blurring would take away")
    exposure_us: ExposureUs | None = Field(default=None, description="exposure time, microseconds")
    gain: Gain | None = Field(default=None, description="analogue gain")
    red_gain: ColourGain | None = Field(default=None, description="colour gain")
    blue_gain: ColourGain | None = Field(default=None, description="colour gain")
    white_balance_k: Kelvin | None = Field(default=None, description="colour temperature, kelvin")
    tint: float = Field(
        default=0.0, ge=0, description="by how much red or blue of white paper differs from its green, share"
    )
    brightness: float = Field(ge=0, le=255, description="mean grey level of the empty view")
    brightness_spread: float = Field(ge=0, description="standard deviation of it over the locked frames, grey levels")
    mm_per_pixel: MmPerPixel | None = Field(default=None, description="scale at the belt's surface, mm per pixel")
    mm_per_pixel_spread: float | None = Field(default=None, ge=0, description="standard deviation of it")
    tilt_degrees: float | None = Field(default=None, description="angle of the belt in the picture, degrees")


class BackgroundStep(Step):
    """How the empty place looks."""

    seconds: float = Field(gt=0, description="how long it was watched")
    separability: float = Field(ge=0, description="distance of items from the background, standard deviations")
    false_items: int = Field(ge=0, description="items seen although it was empty")
    item_pixels: float | None = Field(default=None, ge=1, description="longer side of an item in the picture, pixels")
    view: str | None = Field(
        default=None, description="what stands still before the camera, to notice when it is moved"
    )


class BeltStep(Step):
    """How the belt moves."""

    speed_mm_per_s: Speed = Field(description="belt speed, mm/s")
    speed_spread: float = Field(ge=0, description="standard deviation over the repeats, mm/s")
    direction: Literal["right", "left", "down", "up"] = Field(description="where items go in the picture")
    repeats: int = Field(ge=1, description="independent measurements")
    measured_from: Literal["sheet", "items"] = Field(default="sheet", description="what was followed")
    stop_distance_mm: float | None = Field(default=None, ge=0, description="how far it runs on after a stop, mm")
    ticks_per_mm: TicksPerMm | None = Field(default=None, description="encoder edges per millimetre")


class DiverterStep(Step):
    """How one actuator moves."""

    lead_ms: TravelMs = Field(description="from command to position reached, ms")
    lead_spread_ms: float = Field(ge=0, description="standard deviation over the repeats, ms")
    return_ms: TravelMs = Field(description="from release to safe position reached, ms")
    repeats: int = Field(ge=1, description="strokes measured")
    measured_with: Literal["camera", "exit-sensor", "steps"] = Field(default="camera", description="what saw it")
    min_us: PulseUs | None = Field(default=None, description="shortest pulse that moves it, servos")
    max_us: PulseUs | None = Field(default=None, description="longest pulse that moves it, servos")
    positions_us: dict[Name, PulseUs] = Field(default={}, description="pulse width of each position, servos")
    safe_us: PulseUs | None = Field(default=None, description="pulse width of the safe position, servos")
    positions_steps: dict[Name, Steps] = Field(default={}, description="steps from home of each position, steppers")


class SensorStep(Step):
    """How one input behaves."""

    active_low: bool = Field(description="whether it is low while active")
    debounce_ms: DebounceMs = Field(description="longest chatter seen, with reserve, ms")


class ThresholdStep(Step):
    """When the model is sure enough at this station."""

    bundle: str = Field(description="digest of the bundle that they were fitted for")
    temperature: float = Field(ge=1e-3, le=1e3, description="divides the logits before softmax")
    minimum_score: dict[str, Annotated[float, Field(ge=0, le=1)]] = Field(description="per label")
    purity: float = Field(gt=0, lt=1, description="purity that was asked for")
    samples: int = Field(ge=1, description="photos of this station that they were fitted on")


class VerifyStep(Step):
    """The last acceptance run."""

    items: int = Field(ge=1, description="items run")
    right: int = Field(ge=0, description="items that landed in the expected bin")
    least_margin_ms: float = Field(description="least time between decision and last possible stroke, ms")
    verdict: Literal["good", "usable", "bad"]


class Calibration(Settings):
    """All steps done so far at one station."""

    format_version: Literal[1] = FORMAT_VERSION
    station: Name = Field(description="name of the station that it belongs to")
    camera: CameraStep | None = None
    background: BackgroundStep | None = None
    belt: BeltStep | None = None
    diverters: dict[Name, DiverterStep] = Field(default={}, description="by actuator")
    sensors: dict[str, SensorStep] = Field(default={}, description="by input")
    thresholds: ThresholdStep | None = None
    verify: VerifyStep | None = None
