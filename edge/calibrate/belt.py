"""The step `belt`: speed and direction from the sheet riding through the view, encoder ticks, and how far it runs on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from edge.calibrate.bench import Bench
from edge.calibrate.motion import MIN_SIGHTS, Motion, Sight, measure_motion
from edge.calibrate.outcome import Outcome
from edge.calibrate.person import Person, Progress, Wish
from edge.calibrate.record import BeltStep
from edge.calibrate.scale import Scale, find_scale, shows_sheet
from edge.clock import NS_PER_S
from edge.errors import CalibrationError
from edge.inputs import Quadrature
from edge.types import Frame, Image

# A pass ends when the sheet was seen and then was not for so long, or when nothing came for so long.
GONE_S, PATIENCE_S = 0.6, 25.0
# So many sights of one pass are enough; a slow belt need not be followed to its end.
ENOUGH_SIGHTS = 120
STOPPED_MM_PER_S = 1.0
# Seconds without a change of more than so many grey levels: it stands.
STILL_S, STILL_LEVELS = 1.0, 12
# Places farther outside of the markers than this are a guess.
BEYOND_MM = 10.0
# The passes' spread above this share of the speed means that it does not run at one speed.
SPREAD_LIMIT = 0.01
TURN_LIMIT = 8.0


@dataclass(frozen=True)
class _Pass:
    sights: list[Sight]
    ticks_per_mm: float | None
    picture: Image


def measure_belt(bench: Bench, person: Person, digest: str, repeats: int = 5) -> Outcome:
    """Measure several passes of the sheet; the camera must be set as the camera step left it.

    Raises:
        CalibrationError: no sheet came, the belt stands still or does not run evenly, or the encoder does not count.
    """
    if bench.station.belt is None:
        raise CalibrationError("this is a bin station: it has no belt to measure")
    person.warn("The belt will run.")
    if not bench.has_relay:
        person.ask(Wish.BELT_ON)
    passes = []
    for number in range(repeats):
        bench.run_belt(on=False)
        person.ask(Wish.SHEET_RIDES, f"{number + 1} of {repeats}")
        bench.run_belt(on=True)
        with person.progress(f"Following the sheet, {number + 1} of {repeats}") as progress:
            passes.append(_one_pass(bench, progress))
    motion = measure_motion([one.sights for one in passes])
    stop_mm = _stop_distance(bench, person) if bench.has_relay else None
    bench.run_belt(on=False)
    ticks = [one.ticks_per_mm for one in passes if one.ticks_per_mm is not None]
    step = BeltStep(
        measured_at="", of=digest, speed_mm_per_s=motion.speed_mm_per_s, speed_spread=motion.spread,
        direction=motion.direction, repeats=motion.passes, stop_distance_mm=stop_mm,
        ticks_per_mm=float(np.median(ticks)) if ticks else None,
    )  # fmt: skip
    return Outcome({"belt": step}, _lines(step), _warnings(bench, step, motion), {"belt-sheet": passes[-1].picture})


def _one_pass(bench: Bench, progress: Progress) -> _Pass:
    belt = bench.station.belt
    pins = {} if belt is None or belt.encoder is None else {"a": belt.encoder.pin_a, "b": belt.encoder.pin_b}
    scales: list[tuple[int, Scale]] = []
    picture: Image | None = None
    levels = {name: bench.level(pin) for name, pin in pins.items()}
    with bench.listening(pins) as edges:
        first: Frame | None = None
        for frame in bench.frames_for(PATIENCE_S):
            first = first or frame
            if not scales and frame.captured_at - first.captured_at > STILL_S * NS_PER_S:
                _refuse_still(first, frame, bench)
                first = frame
            if _look(scales, frame, bench):
                picture = frame.pixels if len(scales) == MIN_SIGHTS else picture
                progress(min(1.0, len(scales) / ENOUGH_SIGHTS))
            elif scales and frame.captured_at - scales[-1][0] > GONE_S * NS_PER_S:
                break
            if len(scales) >= ENOUGH_SIGHTS:
                break
    progress(1.0)
    if picture is None:
        raise CalibrationError(
            f"the sheet did not come through the view within {PATIENCE_S:g} s: is the belt running, the sheet on it face up, "
            "and the emergency stop released?"
        )
    sights = _sights(scales)
    return _Pass(sights, _ticks_per_mm(edges, levels, sights) if pins else None, picture)


def _refuse_still(before: Frame, now: Frame, bench: Bench) -> None:
    """Refuse a belt that stands: the sheet is in view, and nothing in the picture has changed."""
    old, new = (cv2.blur(frame.pixels, (9, 9)) for frame in (before, now))
    if int(cv2.absdiff(old, new).max()) < STILL_LEVELS and shows_sheet(now.pixels):
        raise CalibrationError(
            "the belt does not move: the sheet lies in view and stays where it is. Switch the belt on, release the "
            "emergency stop, check belt.run_pin and its relay"
        )


def _sights(scales: Sequence[tuple[int, Scale]]) -> list[Sight]:
    """Turn places on the sheet into places in the picture: the sheet passes the middle of the view."""
    turns = np.median([scale.turn for _, scale in scales], axis=0).reshape(2, 2)
    sights = []
    for at, scale in scales:
        x, y = -turns @ np.array(scale.origin_mm)
        sights.append(Sight(at, float(x), float(y)))
    return sights


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


def _stop_distance(bench: Bench, person: Person) -> float:
    """Return how far the sheet goes on after the relay has opened, mm."""
    bench.run_belt(on=False)
    person.ask(Wish.SHEET_RIDES, "to see how far it runs on")
    bench.run_belt(on=True)
    before: list[tuple[int, Scale]] = []
    with person.progress("Stopping the belt") as progress:
        for frame in bench.frames_for(PATIENCE_S):
            _look(before, frame, bench)
            if len(before) >= 2 * MIN_SIGHTS:
                break
        stopped_at = bench.clock.now()
        bench.run_belt(on=False)
        after: list[tuple[int, Scale]] = []
        for frame in bench.frames_for(2.0):
            _look(after, frame, bench)
        progress(1.0)
    if len(before) < MIN_SIGHTS or not after:
        raise CalibrationError(
            "the sheet was out of view before the belt stood: lay it nearer to the start of the view"
        )
    seconds = np.array([(at - stopped_at) / NS_PER_S for at, _ in before])
    places = np.array([scale.origin_mm for _, scale in before])
    slope, offset = np.polyfit(seconds, places, 1)
    if float(np.hypot(*slope)) < STOPPED_MM_PER_S:
        raise CalibrationError("the belt does not move: switch it on, then try again")
    end = np.median([scale.origin_mm for _, scale in after[-5:]], axis=0)
    still = np.median([scale.origin_mm for _, scale in after[-12:-5] or after[-1:]], axis=0)
    if float(np.hypot(*(end - still))) > 2.0:
        raise CalibrationError(
            "the belt still runs 2 s after belt.run_pin was switched off: check the relay and its wiring to the motor"
        )
    return max(0.0, float(np.dot(end - offset, slope) / np.hypot(*slope)))


def _look(seen: list[tuple[int, Scale]], frame: Frame, bench: Bench) -> bool:
    """Add where the sheet is, if it is in the picture and reaches the middle of the view; say whether it does."""
    try:
        scale = find_scale(frame.pixels, bench.region)
    except CalibrationError:
        return False
    if scale.beyond_mm > BEYOND_MM:
        return False
    seen.append((frame.captured_at, scale))
    return True


def _lines(step: BeltStep) -> tuple[str, ...]:
    lines = [
        f"Speed {step.speed_mm_per_s:.1f} mm/s (spread {step.speed_spread:.2f} over {step.repeats} passes), "
        f"to the {step.direction} in the picture."
        if step.direction in ("left", "right")
        else f"Speed {step.speed_mm_per_s:.1f} mm/s (spread {step.speed_spread:.2f} over {step.repeats} passes), "
        f"{step.direction} in the picture."
    ]
    if step.ticks_per_mm is not None:
        lines.append(f"The encoder counts {step.ticks_per_mm:.4f} edges a millimetre.")
    if step.stop_distance_mm is not None:
        lines.append(f"It runs on for {step.stop_distance_mm:.1f} mm after a stop.")
    return tuple(lines)


def _warnings(bench: Bench, step: BeltStep, motion: Motion) -> tuple[str, ...]:
    found = []
    belt = bench.station.belt
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
