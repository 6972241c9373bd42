"""The step `camera`: view, sharpness, scale, and an exposure that stays as it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge.config import Station
from edge.config.calibration.record import CameraStep
from edge.errors import CalibrationError
from edge.interfaces import Controls
from edge.tools.calibrate.measure.exposure import (
    AUTOMATIC,
    PAPER_TOLERANCE,
    SETTLE_FRAMES,
    TINT_LIMIT,
    WORDS,
    Chosen,
    choose_controls,
    refuse_wandering,
)
from edge.tools.calibrate.measure.light import FLICKER_LIMIT, LOCK_LIMIT, Light, measure_light, sharpness
from edge.tools.calibrate.measure.region import find_region
from edge.tools.calibrate.measure.scale import Scale, combine, find_scale, scale_from_ruler
from edge.tools.calibrate.operator.drawing import draw_region
from edge.tools.calibrate.operator.operator import Operator, Progress, Prompt
from edge.tools.calibrate.rig import MeasurementRig
from edge.tools.calibrate.step_result import Outcome
from edge.types import Box, Frame, Image

SHEET_FRAMES, FINDING_FRAMES = 12, 30
DRAW, FIND = "drawn on a page in the browser", "found by itself, while the belt runs empty"
# Sharpness (see `sharpness`) of the sheet below which items lose their edges.
LEAST_SHARPNESS = 0.45


@dataclass(frozen=True)
class CameraOptions:
    """What a person gave by option.

    Attributes:
        region: part of the picture; None: the station file's.
        ruler: a length in mm and how many pixels it takes up, instead of the sheet.
        mains_hz: frequency of the mains that the lamps hang on.
        frames: how many must stay the same.
        find: find the belt's edges in the picture, from what moves.
        draw: have it drawn on a page; `host` is where that listens, None: the station's own page address.
    """

    region: Box | None = None
    ruler: tuple[float, float] | None = None
    mains_hz: float = 50.0
    frames: int = 100
    find: bool = False
    draw: bool = False
    host: str | None = None


def measure_camera(
    rig: MeasurementRig, operator: Operator, digest: str, speed_mm_per_s: float, options: CameraOptions
) -> Outcome:
    """Choose and lock exposure and colour, measure the scale and the empty view; `digest` is the step's.

    Raises:
        CalibrationError: the lens is covered, there is no sheet, the lamps flicker, or nothing stays as it is.
    """
    if options.ruler is not None:
        scale_from_ruler(*options.ruler)  # refuses what can't be one, before anything is asked for
    rig.open_camera(**AUTOMATIC)
    region = _choose_region(rig, operator, options)
    rig.run_belt(on=False)
    operator.ask(Prompt.SHEET_UNDER_CAMERA if options.ruler is None else Prompt.PAPER)
    with operator.progress("Looking at the sheet") as progress:
        before = _frames(rig, SHEET_FRAMES, progress)
    _refuse_covered(measure_light([f.pixels for f in before], region))
    scale = _scale(before, region, options)
    operator.say("Choosing exposure, gain and white balance ...")
    chosen = choose_controls(rig, region, scale.mm_per_pixel, speed_mm_per_s, options.mains_hz)
    seen = rig.frames(SHEET_FRAMES)
    scale = _scale(seen, region, options)
    sharp = sharpness(_mean(seen), region)

    operator.ask(Prompt.EMPTY)
    empty, light = _watch_empty(rig, operator, region, chosen, options)
    step = CameraStep(
        measured_at="", of=digest, identity=rig.identity,
        x=region.x, y=region.y, width=region.width, height=region.height, focus=sharp, **chosen.controls,
        tint=chosen.tint, brightness=light.mean, brightness_spread=light.spread,
        mm_per_pixel=scale.mm_per_pixel, mm_per_pixel_spread=scale.spread, tilt_degrees=scale.tilt_degrees,
    )  # fmt: skip
    pictures = {"camera-before": before[-1].pixels, "camera-sheet": seen[-1].pixels, "camera-empty": empty.pixels}
    return Outcome({"camera": step}, _lines(step), _warnings(step, chosen, speed_mm_per_s), pictures)


def _watch_empty(
    rig: MeasurementRig, operator: Operator, region: Box, chosen: Chosen, options: CameraOptions
) -> tuple[Frame, Light]:
    """See whether brightness, colour and every control stay as they are over many pictures."""
    rig.frames(SETTLE_FRAMES)
    frames: list[Frame] = []
    controls: list[Controls] = []
    with operator.progress(f"Watching {options.frames} pictures") as progress:
        for n in range(options.frames):
            frames.append(rig.frame())
            controls.append(rig.controls)
            progress((n + 1) / options.frames)
    light = measure_light([f.pixels for f in frames], region)
    refuse_wandering(controls, chosen)
    _refuse_unsteady(light, chosen, options.mains_hz)
    return frames[-1], light


def _choose_region(rig: MeasurementRig, operator: Operator, options: CameraOptions) -> Box:
    """Return the region that was given, found or drawn; a person who is there is asked, if nothing was said."""
    region = _checked(options.region or rig.region, rig.size)
    find, draw = options.find, options.draw
    if options.region is None and not find and not draw and operator.is_there:
        answers = [f"as it is: {region.width} x {region.height} at ({region.x}, {region.y})", DRAW]
        answers += [FIND] if rig.station.belt is not None else []
        answer = operator.choose("Which part of the picture shall it look at?", answers)
        find, draw = answer == FIND, answer == DRAW
    if find:
        region = _found(rig, operator, region)
    return draw_region(rig, operator, region, options.host) if draw else region


def _found(rig: MeasurementRig, operator: Operator, region: Box) -> Box:
    """Let the belt run empty and see where it is."""
    belt = rig.station.belt
    if belt is None:
        raise CalibrationError("a bin station has no belt whose edges could be found: give the region with --region")
    operator.ask(Prompt.EMPTY)
    operator.warn("The belt will run.")
    if not rig.has_relay:
        operator.ask(Prompt.BELT_ON)
    rig.run_belt(on=True)
    with operator.progress("Finding the belt's edges") as progress:
        frames = _frames(rig, FINDING_FRAMES, progress)
    return find_region([f.pixels for f in frames], region, sideways=belt.direction in ("right", "left"))


def usual_speed(station: Station) -> float:
    """Return the belt's speed as it is known now, mm/s; 0 for a bin station."""
    return 0.0 if station.belt is None else station.belt.speed_mm_per_s


def _checked(region: Box, size: tuple[int, int]) -> Box:
    if (
        region.width < 32
        or region.height < 32
        or region.x + region.width > size[0]
        or region.y + region.height > size[1]
    ):
        raise CalibrationError(
            f"the region {region.width} x {region.height} at ({region.x}, {region.y}) does not fit into pictures of "
            f"{size[0]} x {size[1]}: expected --region X Y WIDTH HEIGHT inside of them, at least 32 x 32"
        )
    return region


def _frames(rig: MeasurementRig, count: int, progress: Progress) -> list[Frame]:
    frames = []
    for n in range(count):
        frames.append(rig.frame())
        progress((n + 1) / count)
    return frames


def _mean(frames: list[Frame]) -> Image:
    """Return the mean picture: noise is no sharpness."""
    mean: Image = np.mean([f.pixels for f in frames], axis=0).astype(np.uint8)
    return mean


def _scale(frames: list[Frame], region: Box, options: CameraOptions) -> Scale:
    if options.ruler is not None:
        return Scale(scale_from_ruler(*options.ruler), 0.0, 0.0, (0.0, 0.0), 0, 0.0)
    return combine([find_scale(frame.pixels, region) for frame in frames[-6:]])


def _refuse_covered(light: Light) -> None:
    if light.is_covered:
        raise CalibrationError(
            f"the picture is dark (mean brightness {light.mean:.0f} of 255): take the cap off the lens, switch the lamps on"
        )


def _refuse_unsteady(light: Light, chosen: Chosen, mains_hz: float) -> None:
    if light.flicker > FLICKER_LIMIT:
        other = 60 if mains_hz == 50 else 50
        fix = (
            f"the mains may have {other} Hz (--mains {other}), or sunlight and passing people reach the view"
            if chosen.flicker_free
            else f"at this belt's speed an exposure of {1e3 / (2 * mains_hz):.3g} ms, which would even it out, blurs: "
            "use lamps with a direct-current driver, or run the belt slower"
        )
        raise CalibrationError(
            f"the lamps flicker: brightness changes by {light.flicker:.1%} from picture to picture; {fix}"
        )
    if not light.is_locked:
        raise CalibrationError(
            f"the brightness drifts by {abs(light.drift):.1%} although exposure and gain are fixed: shield the view "
            "from daylight, and let lamps warm up"
        )
    if light.colour_drift > LOCK_LIMIT:
        raise CalibrationError(
            f"the colours drift by {light.colour_drift:.1%} although the white balance is fixed: shield the view from "
            "daylight, and let lamps warm up"
        )


def _lines(step: CameraStep) -> tuple[str, ...]:
    lines = [f"Looks at {step.width} x {step.height} pixels at ({step.x}, {step.y})."]
    if step.mm_per_pixel is not None:
        lines.append(f"One pixel is {step.mm_per_pixel:.4f} mm (spread {step.mm_per_pixel_spread or 0:.4f}).")
    if step.exposure_us is not None:
        gain = "" if step.gain is None else f", gain {step.gain:.3g}"
        lines.append(f"Exposure {step.exposure_us / 1000:.3g} ms{gain}: fixed from now on.")
    if step.red_gain is not None:
        lines.append(
            f"White balance: red {step.red_gain:.2f}, blue {step.blue_gain:.2f}, fixed; paper is white to {step.tint:.1%}."
        )
    elif step.white_balance_k is not None:
        lines.append(f"White balance {step.white_balance_k} K, fixed; paper is white to {step.tint:.1%}.")
    lines.append(
        f"Sharpness {step.focus:.2f}; brightness {step.brightness:.0f}, steady to {step.brightness_spread:.1f}."
    )
    return tuple(lines)


def _warnings(step: CameraStep, chosen: Chosen, speed: float) -> tuple[str, ...]:
    found = []
    if chosen.needs_light > 1 + 2 * PAPER_TOLERANCE:
        found.append(
            f"The light is too weak for a belt at {speed:.0f} mm/s: {chosen.needs_light:.1f} times as much is needed "
            f"(or a belt at {speed / chosen.needs_light:.0f} mm/s). Add lamps, or bring them closer."
        )
    if step.focus < LEAST_SHARPNESS:
        found.append(
            f"The picture is not sharp ({step.focus:.2f}, expected at least {LEAST_SHARPNESS}): turn the lens until "
            "the sheet is sharp, wipe it, then run this step again."
        )
    found += [
        f"This camera does not let its {WORDS[name]} be set: it stays automatic, and pictures will change with the light. "
        "Another camera is better."
        for name in chosen.refused
    ]
    if step.tint > TINT_LIMIT:
        found.append(
            f"White paper is not white in the picture (off by {step.tint:.0%}): use lamps of one kind, and paper that is white."
        )
    if abs(step.tilt_degrees or 0) > 10:
        found.append(f"The sheet lay askew by {step.tilt_degrees:.0f} degrees: fine for the scale.")
    return tuple(found)
