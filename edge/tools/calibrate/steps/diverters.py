"""The step `diverters`: how long each takes from command to position and back, and where its ends are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from edge.clock import NS_PER_MS, ms
from edge.config.actuators import ActuatorSettings
from edge.config.calibration.record import DiverterStep
from edge.errors import CalibrationError
from edge.tools.calibrate.measure.end_stops import Limits
from edge.tools.calibrate.measure.exit_timing import exit_of, measure_exits
from edge.tools.calibrate.measure.stroke_timing import (
    Floats,
    Shot,
    after_command_ms,
    find_moving,
    fit_travel,
    part_of,
    take_shots,
)
from edge.tools.calibrate.measure.timing import Measured
from edge.tools.calibrate.operator.operator import Operator, Progress, Prompt
from edge.tools.calibrate.rig import MeasurementRig
from edge.tools.calibrate.step_result import Outcome
from edge.tools.calibrate.steps.procedures import jog_all, procedure_of
from edge.types import Box, Frame, Image

# Pictures of all strokes together lie this close to each other.
SPACING_MS = 1.25
FEWEST, MOST = 5, 60
# Long enough for the slowest hobby servo, where max_on_ms allows it.
HOLD_MS, REST_MS = 700.0, 900.0
LOOK_FRAMES = 6
# Strokes that differ by more than this make an item miss its bin now and then.
SPREAD_LIMIT_MS = 4.0


@dataclass(frozen=True)
class _View:
    part: Box
    start: Image
    end: Image


def measure_diverters(
    rig: MeasurementRig,
    operator: Operator,
    digests: Mapping[str, str],
    repeats: int | None = None,
    *,
    jog: bool = False,
) -> Outcome:
    """Measure the actuators that `digests` names; the belt stands, and nothing may lie in their way.

    A stepper is timed by its steps, what the camera sees by pictures, the rest by the exit sensor of its bin.

    Raises:
        CalibrationError: one of them did not move, or can't be seen well enough.
    """
    operator.ask(Prompt.EMPTY)
    if rig.station.belt is not None:
        if rig.has_relay:
            rig.run_belt(on=False)
        else:
            operator.ask(Prompt.BELT_OFF)
    if jog:
        jog_all(rig, operator, digests)
    steps: dict[str, DiverterStep] = {}
    lines: list[str] = []
    warnings: list[str] = []
    pictures: dict[str, Image] = {}
    for name, digest in digests.items():
        operator.warn(f"{name} will move. Hands off!")
        written = rig.station.actuator(name)
        limits, said = procedure_of(written).keep_off_stops(rig, operator, written)
        found = _measure(rig, operator, name, repeats)
        settings = rig.station.actuator(name)
        steps[name] = _step(settings, digest, found, limits)
        lines += [_line(name, found, steps[name]), *said]
        warnings += found.warnings
        if found.spread_ms > SPREAD_LIMIT_MS and found.measured_with == "camera":
            warnings.append(
                f"{name}: its strokes differ by {found.spread_ms:.1f} ms: check its supply (voltage drop) and its hinge."
            )
        pictures |= found.pictures
    return Outcome({"diverters": steps}, tuple(lines), tuple(warnings), pictures)


def _step(settings: ActuatorSettings, digest: str, found: Measured, limits: Limits | None) -> DiverterStep:
    return DiverterStep(
        measured_at="", of=digest, measured_with=found.measured_with, repeats=found.repeats,
        lead_ms=round(found.lead_ms, 2), lead_spread_ms=round(found.spread_ms, 2),
        # What could not be measured stays as it was written.
        return_ms=round(settings.return_ms if found.return_ms is None else found.return_ms, 2),
        min_us=None if limits is None else limits.min_us,
        max_us=None if limits is None else limits.max_us,
        **settings.adjusted(),
    )  # fmt: skip


def _line(name: str, found: Measured, step: DiverterStep) -> str:
    means = {"camera": "seen by the camera", "exit-sensor": "by the exit sensor", "steps": "by its steps"}
    back = "not measured (the station file's is kept)" if found.return_ms is None else f"{found.return_ms:.1f} ms back"
    return (
        f"{name}: {step.lead_ms:.1f} ms from command to position (spread {found.spread_ms:.1f}, known to "
        f"{found.known_to_ms:.1f}), {back}; {found.repeats} strokes, {means[found.measured_with]}."
    )


def _measure(rig: MeasurementRig, operator: Operator, name: str, repeats: int | None) -> Measured:
    """Measure with what fits: its type's own way, the camera, the exit sensor."""
    settings = rig.station.actuator(name)
    if (measure := procedure_of(settings).measure) is not None:
        with operator.progress(f"Moving {name}") as progress:
            return measure(rig, settings, repeats, progress)
    hold_ms = min(HOLD_MS, settings.max_on_ms)
    try:
        view = _look(rig, name, settings.measured_position, hold_ms)
    except CalibrationError as error:
        where = exit_of(rig.station, name)
        if where is None:
            raise CalibrationError(
                f"{name} was fired, but {error}; out of view it can be measured with an exit sensor (exit_pin of its bin)"
            ) from None
        operator.say(f"{name} is not seen to move: it is measured with the exit sensor of {where.name}.")
        return measure_exits(rig, operator, where)
    with operator.progress(f"Firing {name}") as progress:
        return _measure_seen(rig, settings, view, repeats, progress)


def _measure_seen(
    rig: MeasurementRig, settings: ActuatorSettings, view: _View, repeats: int | None, progress: Progress
) -> Measured:
    name, position = settings.name, settings.measured_position
    hold_ms = min(HOLD_MS, settings.max_on_ms)
    period_ms = 1000 / rig.settings.frames_per_s
    count = repeats or min(MOST, max(FEWEST, math.ceil(period_ms / SPACING_MS)))
    out: list[tuple[int, float, Floats]] = []
    back: list[tuple[int, float, Floats]] = []
    for stroke in range(count):
        progress(stroke / count)
        wait_ns = round(stroke / count * period_ms * NS_PER_MS)
        before = rig.frames(2)
        rig.wait_until(rig.clock.now() + wait_ns)
        with rig.fired(name, position) as commanded_at:
            seen = [*before, *_until(rig, commanded_at, hold_ms)]
            rig.wait_until(rig.clock.now() + wait_ns)
        released_at = rig.clock.now()
        gone = [*seen[-2:], *_until(rig, released_at, REST_MS)]
        out += [(stroke, after_command_ms(f, commanded_at), part_of(f, view.part)) for f in seen]
        back += [(stroke, after_command_ms(f, released_at), part_of(f, view.part)) for f in gone]
    progress(1.0)
    try:
        there, home = fit_travel(_shots(out)), fit_travel(_shots(back))
    except CalibrationError as error:
        raise CalibrationError(f"{name}: {error}") from None
    pictures = {f"{name}-start": view.start, f"{name}-end": view.end}
    return Measured(
        there.reached_ms, there.spread_ms, home.reached_ms, count, "camera", there.within_ms, pictures=pictures
    )


def _until(rig: MeasurementRig, since: int, span_ms: float) -> Iterable[Frame]:
    """Take frames until one was taken that long after an instant; no longer than an actuator may be on."""
    while rig.clock.now() < since + ms(span_ms):
        yield rig.frame()


def _shots(pictures: list[tuple[int, float, Floats]]) -> list[Shot]:
    """Compare all pictures with the mean ones of start and end."""
    start = np.mean([p for _, after, p in pictures if after < 0], axis=0)
    longest = max(after for _, after, _ in pictures)
    end = np.mean([p for _, after, p in pictures if after > 0.8 * longest], axis=0)
    return [shot for stroke, after, p in pictures for shot in take_shots(stroke, [(after, p)], start, end)]


def _look(rig: MeasurementRig, name: str, position: str, hold_ms: float) -> _View:
    """Fire it once and see which part of the picture it moves in."""
    rig.actuator(name)
    rig.wait(REST_MS / 1000)
    start = [f.pixels for f in rig.frames(LOOK_FRAMES)]
    with rig.fired(name, position) as commanded_at:
        end = [f.pixels for f in _until(rig, commanded_at, hold_ms)][-LOOK_FRAMES:]
    rig.wait(REST_MS / 1000)
    return _View(find_moving(start, end[-3:]), start[-1], end[-1])
