"""The step `diverters`: how long each takes from command to position and back, seen by the camera."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from edge.calibrate.bench import Bench
from edge.calibrate.jog import Jog, find_positions
from edge.calibrate.outcome import Outcome
from edge.calibrate.person import Person, Progress, Wish
from edge.calibrate.record import DiverterStep
from edge.calibrate.stroke import Floats, Shot, Travel, after_command_ms, find_moving, fit_travel, part_of, take_shots
from edge.clock import NS_PER_MS, ms
from edge.config.actuators import ActuatorSettings
from edge.errors import CalibrationError
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
    bench: Bench, person: Person, digests: Mapping[str, str], repeats: int | None = None, *, jog: bool = False
) -> Outcome:
    """Measure the actuators that `digests` names; the belt stands, and nothing may lie in their way.

    Raises:
        CalibrationError: one of them did not move, or can't be seen well enough.
    """
    person.ask(Wish.EMPTY)
    if bench.station.belt is not None:
        if bench.has_relay:
            bench.run_belt(on=False)
        else:
            person.ask(Wish.BELT_OFF)
    if jog:
        _set_positions(bench, person, digests)
    steps: dict[str, DiverterStep] = {}
    lines: list[str] = []
    warnings: list[str] = []
    pictures: dict[str, Image] = {}
    for name, digest in digests.items():
        settings = bench.station.actuator(name)
        person.warn(f"{name} will move. Hands off!")
        with person.progress(f"Firing {name}") as progress:
            out, back, view, count = _measure(bench, settings, repeats, progress)
        steps[name] = DiverterStep(
            measured_at="", of=digest, lead_ms=round(out.reached_ms, 2), lead_spread_ms=round(out.spread_ms, 2),
            return_ms=round(back.reached_ms, 2), repeats=count,
            positions_us=settings.positions_us if settings.type == "servo" else {},
            safe_us=settings.safe_us if settings.type == "servo" else None,
        )  # fmt: skip
        lines.append(
            f"{name}: {out.reached_ms:.1f} ms from command to position (spread {out.spread_ms:.1f}, "
            f"known to {out.within_ms:.1f}), {back.reached_ms:.1f} ms back; {count} strokes."
        )
        if out.spread_ms > SPREAD_LIMIT_MS:
            warnings.append(
                f"{name}: its strokes differ by {out.spread_ms:.1f} ms: check its supply (voltage drop) and its hinge."
            )
        pictures |= {f"{name}-start": view.start, f"{name}-end": view.end}
    return Outcome({"diverters": steps}, tuple(lines), tuple(warnings), pictures)


def _set_positions(bench: Bench, person: Person, names: Iterable[str]) -> None:
    """Let a person move the servos among these with the arrow keys; the station goes on with their positions."""
    bench.close_actuators()
    for settings in [bench.station.actuator(name) for name in names]:
        if settings.type != "servo":
            continue
        person.warn(f"{settings.name} will move. Hands off!")
        jog = Jog(settings, bench.pins)
        try:
            safe_us, positions = find_positions(jog, person.key, person.say)
            jog.go(safe_us)
        except BaseException:
            jog.go(settings.safe_us)
            raise
        finally:
            try:
                bench.wait(REST_MS / 1000)
            finally:
                jog.close()
        changed = settings.model_copy(update={"safe_us": safe_us, "positions_us": positions})
        others = [changed if a.name == settings.name else a for a in bench.station.actuators]
        bench.station = bench.station.model_copy(update={"actuators": tuple(others)})


def first_position(settings: ActuatorSettings) -> str:
    """Return the position that is measured: the only one, or a servo's farthest from its safe position."""
    if settings.type != "servo":
        return ""
    return max(settings.positions_us, key=lambda name: abs(settings.positions_us[name] - settings.safe_us))


def _measure(
    bench: Bench, settings: ActuatorSettings, repeats: int | None, progress: Progress
) -> tuple[Travel, Travel, _View, int]:
    name, position = settings.name, first_position(settings)
    hold_ms = min(HOLD_MS, settings.max_on_ms)
    try:
        view = _look(bench, name, position, hold_ms)
    except CalibrationError as error:
        raise CalibrationError(f"{name} was fired, but {error}") from None
    period_ms = 1000 / bench.settings.frames_per_s
    count = repeats or min(MOST, max(FEWEST, math.ceil(period_ms / SPACING_MS)))
    out: list[tuple[int, float, Floats]] = []
    back: list[tuple[int, float, Floats]] = []
    for stroke in range(count):
        progress(stroke / count)
        wait_ns = round(stroke / count * period_ms * NS_PER_MS)
        before = bench.frames(2)
        bench.wait_until(bench.clock.now() + wait_ns)
        with bench.fired(name, position) as commanded_at:
            seen = [*before, *_until(bench, commanded_at, hold_ms)]
            bench.wait_until(bench.clock.now() + wait_ns)
        released_at = bench.clock.now()
        gone = [*seen[-2:], *_until(bench, released_at, REST_MS)]
        out += [(stroke, after_command_ms(f, commanded_at), part_of(f, view.part)) for f in seen]
        back += [(stroke, after_command_ms(f, released_at), part_of(f, view.part)) for f in gone]
    progress(1.0)
    try:
        return fit_travel(_shots(out)), fit_travel(_shots(back)), view, count
    except CalibrationError as error:
        raise CalibrationError(f"{name}: {error}") from None


def _until(bench: Bench, since: int, span_ms: float) -> Iterable[Frame]:
    """Take frames until one was taken that long after an instant; no longer than an actuator may be on."""
    while bench.clock.now() < since + ms(span_ms):
        yield bench.frame()


def _shots(pictures: list[tuple[int, float, Floats]]) -> list[Shot]:
    """Compare all pictures with the mean ones of start and end."""
    start = np.mean([p for _, after, p in pictures if after < 0], axis=0)
    longest = max(after for _, after, _ in pictures)
    end = np.mean([p for _, after, p in pictures if after > 0.8 * longest], axis=0)
    return [shot for stroke, after, p in pictures for shot in take_shots(stroke, [(after, p)], start, end)]


def _look(bench: Bench, name: str, position: str, hold_ms: float) -> _View:
    """Fire it once and see which part of the picture it moves in."""
    bench.actuator(name)
    bench.wait(REST_MS / 1000)
    start = [f.pixels for f in bench.frames(LOOK_FRAMES)]
    with bench.fired(name, position) as commanded_at:
        end = [f.pixels for f in _until(bench, commanded_at, hold_ms)][-LOOK_FRAMES:]
    bench.wait(REST_MS / 1000)
    return _View(find_moving(start, end[-3:]), start[-1], end[-1])
