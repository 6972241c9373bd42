"""The step `belt`: speed and direction from what rides through the view, encoder ticks, and how far it runs on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.clock import NS_PER_S
from edge.config.calibration.record import BeltStep
from edge.devices.gpio.inputs import Quadrature
from edge.errors import CalibrationError
from edge.tools.calibrate.measure.followers import Source, TrackingTarget, open_target
from edge.tools.calibrate.measure.motion import MIN_SIGHTS, Motion, Sight, measure_motion
from edge.tools.calibrate.operator.operator import Operator, Progress, Prompt
from edge.tools.calibrate.raw_edges import listening
from edge.tools.calibrate.rig import MeasurementRig
from edge.tools.calibrate.step_result import Outcome
from edge.types import Frame, Image

# A pass ends when the sheet was seen and then was not for so long, or when nothing came for so long.
GONE_S, PATIENCE_S = 0.6, 25.0
# So many sights of one pass are enough; a slow belt need not be followed to its end.
ENOUGH_SIGHTS = 120
STOPPED_MM_PER_S = 1.0
# Seconds without a change of more than so many grey levels: it stands.
STILL_S, STILL_LEVELS = 1.0, 12
# A belt that runs on for longer than this has no brake, and its relay may not open.
STOPPING_S = 2.0
# The passes' spread above this share of the speed means that it does not run at one speed.
SPREAD_LIMIT = 0.01
TURN_LIMIT = 8.0


@dataclass(frozen=True)
class _Pass:
    sights: list[Sight]
    ticks_per_mm: float | None
    picture: Image


def measure_belt(
    rig: MeasurementRig, operator: Operator, digest: str, repeats: int = 5, source: Source = "sheet"
) -> Outcome:
    """Measure several passes of the sheet, or of items; the camera must be set as the camera step left it.

    Raises:
        CalibrationError: nothing came, the belt stands still or does not run evenly, or the encoder does not count.
    """
    if rig.station.belt is None:
        raise CalibrationError("this is a bin station: it has no belt to measure")
    operator.warn("The belt will run.")
    if not rig.has_relay:
        operator.ask(Prompt.BELT_ON)
    passes = []
    for number in range(repeats):
        target = open_target(rig, source)
        rig.run_belt(on=False)
        operator.ask(target.prompt, f"{number + 1} of {repeats}")
        rig.run_belt(on=True)
        with operator.progress(f"Following it, {number + 1} of {repeats}") as progress:
            passes.append(_one_pass(rig, target, progress))
    motion = measure_motion([one.sights for one in passes])
    stop_mm = _stop_distance(rig, operator, source) if rig.has_relay else None
    rig.run_belt(on=False)
    ticks = [one.ticks_per_mm for one in passes if one.ticks_per_mm is not None]
    step = BeltStep(
        measured_at="", of=digest, speed_mm_per_s=motion.speed_mm_per_s, speed_spread=motion.spread,
        direction=motion.direction, repeats=motion.passes, measured_from=source, stop_distance_mm=stop_mm,
        ticks_per_mm=float(np.median(ticks)) if ticks else None,
    )  # fmt: skip
    return Outcome({"belt": step}, _lines(step), _warnings(rig, step, motion), {"belt": passes[-1].picture})


def _one_pass(rig: MeasurementRig, target: TrackingTarget, progress: Progress) -> _Pass:
    belt = rig.station.belt
    pins = {} if belt is None or belt.encoder is None else {"a": belt.encoder.pin_a, "b": belt.encoder.pin_b}
    seen: list[int] = []
    picture: Image | None = None
    levels = {name: rig.level(pin) for name, pin in pins.items()}
    with listening(rig, pins) as edges:
        first: Frame | None = None
        for frame in rig.frames_for(PATIENCE_S):
            first = first or frame
            if not seen and frame.captured_at - first.captured_at > STILL_S * NS_PER_S:
                _refuse_still(first, frame, target)
                first = frame
            if target.look(frame):
                seen.append(frame.captured_at)
                picture = frame.pixels if len(seen) == MIN_SIGHTS else picture
                progress(min(1.0, len(seen) / ENOUGH_SIGHTS))
            elif seen and frame.captured_at - seen[-1] > GONE_S * NS_PER_S:
                break
            if len(seen) >= ENOUGH_SIGHTS:
                break
    progress(1.0)
    if picture is None:
        raise CalibrationError(
            f"nothing came all the way through the view within {PATIENCE_S:g} s: is the belt running, the sheet on it face "
            "up (or the item on it whole in view), and the emergency stop released?"
        )
    sights = target.sights()
    return _Pass(sights, _ticks_per_mm(edges, levels, sights) if pins else None, picture)


def _refuse_still(before: Frame, now: Frame, target: TrackingTarget) -> None:
    """Refuse a belt that stands: what is followed is in view, and nothing in the picture has changed."""
    old, new = (cv2.blur(frame.pixels, (9, 9)) for frame in (before, now))
    if int(cv2.absdiff(old, new).max()) < STILL_LEVELS and target.is_in(now.pixels):
        raise CalibrationError(
            "the belt does not move: the sheet lies in view and stays where it is. Switch the belt on, release the "
            "emergency stop, check belt.run_pin and its relay"
        )


def _ticks_per_mm(edges: list[tuple[str, int, bool]], levels: dict[str, bool], sights: list[Sight]) -> float:
    """Return edges of the encoder for each millimetre of the sheet's way.

    Raises:
        CalibrationError: it did not count, or backwards.
    """
    first, last = sights[0], sights[-1]
    counter = Quadrature(levels["a"], levels["b"])
    now = dict(levels)
    instants, counts = [], []
    total = 0
    for name, at, level in edges:
        now[name] = level
        total += counter.update(now["a"], now["b"])
        instants.append(at)
        counts.append(total)
    if len(instants) < 2:
        raise CalibrationError(
            "the encoder does not count although the belt moves: check its supply, its plug and "
            "belt.encoder.pin_a / pin_b; without an encoder remove the table [belt.encoder]"
        )
    way = float(np.hypot(last.x_mm - first.x_mm, last.y_mm - first.y_mm))
    ticks = float(np.diff(np.interp([first.captured_at, last.captured_at], instants, counts))[0])
    if ticks < 0:
        raise CalibrationError("the encoder counts backwards: swap belt.encoder.pin_a and pin_b in the station file")
    if way < 1:
        return 0.0
    return ticks / way


def _stop_distance(rig: MeasurementRig, operator: Operator, source: Source) -> float:
    """Return how far the belt goes on after its relay has opened, mm."""
    target = open_target(rig, source)
    rig.run_belt(on=False)
    operator.ask(target.prompt, "to see how far it runs on")
    rig.run_belt(on=True)
    with operator.progress("Stopping the belt") as progress:
        for frame in rig.frames_for(PATIENCE_S):
            target.look(frame)
            if len(target.sights()) >= 2 * MIN_SIGHTS:
                break
        stopped_at = rig.clock.now()
        rig.run_belt(on=False)
        for frame in rig.frames_for(STOPPING_S):
            target.look(frame)
        progress(1.0)
    sights = target.sights()
    before = [sight for sight in sights if sight.captured_at <= stopped_at]
    after = [sight for sight in sights if sight.captured_at > stopped_at]
    last_at = after[-1].captured_at if after else 0
    if len(before) < MIN_SIGHTS or last_at < stopped_at + (STOPPING_S - GONE_S) * NS_PER_S:
        raise CalibrationError(
            "it was out of view before the belt stood: lay it nearer to the start of the view, or the belt runs on too far "
            "to be seen"
        )
    return _run_on(before, after, stopped_at)


def _run_on(before: Sequence[Sight], after: Sequence[Sight], stopped_at: int) -> float:
    """Return how far it went from where it was at an instant to where it lies in the end, mm."""
    seconds = np.array([(sight.captured_at - stopped_at) / NS_PER_S for sight in before])
    slope, offset = np.polyfit(seconds, _places(before), 1)
    if float(np.hypot(*slope)) < STOPPED_MM_PER_S:
        raise CalibrationError("the belt does not move: switch it on, then try again")
    end = np.median(_places(after[-5:]), axis=0)
    still = np.median(_places(after[-12:-5] or after[-1:]), axis=0)
    if float(np.hypot(*(end - still))) > 2.0:
        raise CalibrationError(
            "the belt still runs 2 s after belt.run_pin was switched off: check the relay and its wiring to the motor"
        )
    return max(0.0, float(np.dot(end - offset, slope) / np.hypot(*slope)))


def _places(sights: Sequence[Sight]) -> NDArray[np.float64]:
    return np.array([(sight.x_mm, sight.y_mm) for sight in sights])


def _lines(step: BeltStep) -> tuple[str, ...]:
    way = f"to the {step.direction}" if step.direction in ("left", "right") else step.direction
    what = "passes of the sheet" if step.measured_from == "sheet" else "items"
    lines = [
        f"Speed {step.speed_mm_per_s:.1f} mm/s (spread {step.speed_spread:.2f} over {step.repeats} {what}), {way} in the "
        "picture."
    ]
    if step.ticks_per_mm is not None:
        lines.append(f"The encoder counts {step.ticks_per_mm:.4f} edges a millimetre.")
    if step.stop_distance_mm is not None:
        lines.append(f"It runs on for {step.stop_distance_mm:.1f} mm after a stop.")
    return tuple(lines)


def _warnings(rig: MeasurementRig, step: BeltStep, motion: Motion) -> tuple[str, ...]:
    found = []
    belt = rig.station.belt
    if step.speed_spread > SPREAD_LIMIT * step.speed_mm_per_s:
        found.append(
            f"The speed differs from pass to pass by {step.speed_spread / step.speed_mm_per_s:.1%}: "
            "tighten the belt, or let the motor warm up, then run this step again."
        )
    if motion.skew_degrees > TURN_LIMIT:
        found.append(f"The belt runs askew through the picture by {motion.skew_degrees:.0f} degrees: turn the camera.")
    if belt is not None and step.direction != belt.direction:
        found.append(
            f"The station file says that things go {belt.direction}; they go {step.direction}. What was measured is used."
        )
    return tuple(found)
