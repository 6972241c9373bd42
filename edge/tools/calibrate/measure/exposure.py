"""Exposure, gain and white balance: chosen in the picture of white paper, set by hand, and watched whether they stay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from edge.errors import CalibrationError, CameraControlError
from edge.interfaces import Controls
from edge.tools.calibrate.measure.light import Setting, choose_exposure
from edge.tools.calibrate.rig import MeasurementRig
from edge.types import Box, Frame

SETTLE_FRAMES: Final = 8
# Analogue gain beyond which a sensor of a Pi shows more noise than picture.
MOST_GAIN: Final = 16.0
# Grey level of white paper: bright, and nothing of it burnt out.
PAPER_AIM, PAPER_TOLERANCE, BURNT = 205.0, 0.06, 248.0
# White paper whose red or blue is off by less looks white.
TINT_AIM, TINT_LIMIT = 0.015, 0.05
# A picture's values are the light's to the power of 0.45 on most cameras, and the light itself on some: between both.
COLOUR_STEP: Final = 1.4
# The range of white balance that USB cameras have, kelvin.
COLDEST_K, WARMEST_K, FINEST_K = 7000, 2500, 100
AUTOMATIC: Final[dict[str, Any]] = dict.fromkeys(("exposure_us", "gain", "red_gain", "blue_gain", "white_balance_k"))
# By how much a locked control may wander, and by how much the camera may round what it is told.
WANDER, ROUNDING = 0.01, 0.1
EXPOSURE_UNIT_US: Final = 100.0
WORDS: Final = {
    "exposure_us": "exposure", "gain": "gain", "digital_gain": "digital gain", "red_gain": "red gain",
    "blue_gain": "blue gain", "white_balance_k": "white balance",
}  # fmt: skip


@dataclass(frozen=True)
class Chosen:
    """How the camera is set from now on; None is automatic.

    Attributes:
        needs_light: factor by which the light is too weak; 1: enough.
        tint: by how much red or blue of white paper differs from its green.
        refused: what the camera does not let be set.
    """

    exposure_us: int | None = None
    gain: float | None = None
    red_gain: float | None = None
    blue_gain: float | None = None
    white_balance_k: int | None = None
    needs_light: float = 1.0
    flicker_free: bool = True
    tint: float = 0.0
    refused: tuple[str, ...] = ()

    @property
    def controls(self) -> dict[str, Any]:
        """The settings of the camera, as the station file names them."""
        return {name: getattr(self, name) for name in AUTOMATIC}


def choose_controls(rig: MeasurementRig, region: Box, mm_per_pixel: float, speed: float, mains_hz: float) -> Chosen:
    """Set exposure by blur and flicker, gain by how bright white paper is, and colour so that it is white."""
    chosen = Chosen(refused=tuple(_refused(rig)))
    chosen = _choose_brightness(rig, region, chosen, (mm_per_pixel, speed, mains_hz))
    before = chosen
    if rig.has_control("red_gain") and "red_gain" not in chosen.refused:
        chosen = _choose_gains(rig, region, chosen)
    elif rig.has_control("white_balance_k") and "white_balance_k" not in chosen.refused:
        chosen = _choose_temperature(rig, region, chosen)
    if chosen != before:  # other colours are another brightness
        chosen = _choose_brightness(rig, region, chosen, (mm_per_pixel, speed, mains_hz))
    rig.open_camera(**chosen.controls)
    return replace(chosen, tint=_tint(_paper_colour(rig.frames(SETTLE_FRAMES)[-4:], region)))


def refuse_wandering(seen: Sequence[Controls], chosen: Chosen) -> None:
    """Refuse a camera that does not take its pictures as it was told to.

    Raises:
        CalibrationError: one of the controls changes by itself, or is far from what was set.
    """
    for field in fields(Controls):
        values = [value for one in seen if (value := getattr(one, field.name)) is not None]
        wanted = getattr(chosen, field.name, None)
        if not values or (wanted is None and field.name != "digital_gain"):
            continue
        low, high, word = min(values), max(values), WORDS[field.name]
        if high - low > WANDER * max(high, 1e-9):
            raise CalibrationError(
                f"the camera changes its {word} by itself from {low:g} to {high:g}, although it was fixed: another program "
                "may be using it, or its driver has a further automatic (`v4l2-ctl --list-ctrls`, `rpicam-hello`)"
            )
        slack = max(ROUNDING * (wanted or 0), EXPOSURE_UNIT_US if field.name == "exposure_us" else 0.0)
        if wanted is not None and abs(values[-1] - wanted) > slack:
            raise CalibrationError(
                f"the camera takes its pictures with a {word} of {values[-1]:g} instead of {wanted:g}: lower "
                "camera.frames_per_s, or update the camera's driver"
            )


def _refused(rig: MeasurementRig) -> list[str]:
    """Return the controls that the camera has a setting for and does not let be set."""
    refused = []
    tried: tuple[dict[str, float], ...] = (
        {"exposure_us": 5000}, {"gain": rig.gain_range[0]}, {"red_gain": 1.5, "blue_gain": 1.5}, {"white_balance_k": 4500},
    )  # fmt: skip
    for controls in tried:
        name = next(iter(controls))
        if rig.has_control(name):
            try:
                rig.open_camera(**AUTOMATIC | controls)
            except CameraControlError:
                refused.append(name)
    return refused


def _choose_brightness(rig: MeasurementRig, region: Box, chosen: Chosen, how: tuple[float, float, float]) -> Chosen:
    """Choose exposure and gain; `how` is mm per pixel, the belt's speed (mm/s) and the mains' frequency (Hz)."""
    mm_per_pixel, speed, mains_hz = how
    if not rig.has_control("exposure_us") or "exposure_us" in chosen.refused:
        return chosen
    limit = choose_exposure(speed, mm_per_pixel, mains_hz)
    least, most = (1.0, 1.0) if "gain" in chosen.refused else rig.gain_range
    gains = least, max(least, min(most, MOST_GAIN))
    setting = Setting(chosen.exposure_us or limit.exposure_us, chosen.gain or least)
    factor = 1.0
    for _ in range(8):
        gain = None if "gain" in chosen.refused else setting.gain
        chosen = replace(chosen, exposure_us=setting.exposure_us, gain=gain)
        rig.open_camera(**chosen.controls)
        paper = _paper_level(rig.frames(SETTLE_FRAMES)[-4:], region)
        # What is burnt out says nothing of how much too bright it is.
        factor = 0.4 if paper > BURNT else PAPER_AIM / max(paper, 1.0)
        wanted = setting.times(factor, limit.exposure_us, gains, mains_hz)
        if abs(factor - 1) <= PAPER_TOLERANCE or wanted == setting:
            break
        setting = wanted
    flicker_free = setting.exposure_us >= round(5e5 / mains_hz)
    return replace(chosen, needs_light=max(1.0, factor), flicker_free=flicker_free)


def _choose_gains(rig: MeasurementRig, region: Box, chosen: Chosen) -> Chosen:
    """Set the colour gains so that paper is white, from where the camera's own automatic has them."""
    reported = rig.controls
    red, blue = reported.red_gain or 1.0, reported.blue_gain or 1.0
    for _ in range(8):
        chosen = replace(chosen, red_gain=round(red, 4), blue_gain=round(blue, 4))
        rig.open_camera(**chosen.controls)
        colour = _paper_colour(rig.frames(SETTLE_FRAMES)[-4:], region)
        if _tint(colour) <= TINT_AIM:
            break
        red = float(np.clip(red * (colour[1] / colour[0]) ** COLOUR_STEP, 0.1, 32))
        blue = float(np.clip(blue * (colour[1] / colour[2]) ** COLOUR_STEP, 0.1, 32))
    return chosen


def _choose_temperature(rig: MeasurementRig, region: Box, chosen: Chosen) -> Chosen:
    """Halve the range of temperatures until paper is as white as it gets: higher ones make the picture redder."""
    low, high = WARMEST_K, COLDEST_K
    best = chosen
    least = float("inf")
    while high - low >= FINEST_K:
        middle = round((low + high) / 2 / FINEST_K) * FINEST_K
        tried = replace(chosen, white_balance_k=middle)
        rig.open_camera(**tried.controls)
        colour = _paper_colour(rig.frames(SETTLE_FRAMES)[-4:], region)
        if _tint(colour) < least:
            best, least = tried, _tint(colour)
        if middle in (low, high):
            break
        low, high = (low, middle) if colour[0] > colour[2] else (middle, high)
    return best


def _paper_level(frames: Sequence[Frame], region: Box) -> float:
    """Return the grey level of the brightest twentieth of the region: the sheet's paper."""
    return float(np.median([np.percentile(_part(frame, region).mean(axis=2), 95) for frame in frames]))


def _paper_colour(frames: Sequence[Frame], region: Box) -> NDArray[np.float64]:
    """Return red, green and blue of the sheet's paper: of what is bright and not burnt out."""
    mean = np.mean([_part(frame, region) for frame in frames], axis=0)
    bright = mean.mean(axis=2)
    fits = mean.max(axis=2) < BURNT
    paper = fits & (bright >= np.percentile(bright[fits], 90)) if fits.any() else np.ones(bright.shape, bool)
    colour: NDArray[np.float64] = np.maximum(np.median(mean[paper], axis=0), 1.0)
    return colour


def _part(frame: Frame, region: Box) -> NDArray[np.float64]:
    cut = frame.pixels[region.y : region.y + region.height, region.x : region.x + region.width]
    return cut.astype(np.float64)


def _tint(colour: NDArray[np.float64]) -> float:
    return float(max(abs(colour[0] / colour[1] - 1), abs(colour[2] / colour[1] - 1)))
