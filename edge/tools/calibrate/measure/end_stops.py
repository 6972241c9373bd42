"""A servo's end stops, found in the picture: where it moves no further although it is told to, it is at one.

It goes in small steps and is called back as soon as two of them showed no movement, so that it never pushes against a
stop for longer than half a second, and by little.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.config.actuators import Servo
from edge.tools.calibrate.operator.jog import Jog
from edge.tools.calibrate.operator.operator import Operator, Progress
from edge.tools.calibrate.rig import MeasurementRig

STEP_US = 20
# It has long made such a small step by then.
STEP_S = 0.12
LOOK_FRAMES = 3
# Kept away from a stop.
MARGIN_US = 20
# A step moves the picture by more than its own noise does.
NOISE_TIMES = 3.0
MOVING_LEVELS = 12.0
BACK_S = 0.7

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Limits:
    """Between which pulse widths a servo moves, microseconds; `found` says which of both ends is a stop."""

    min_us: int
    max_us: int
    found: tuple[bool, bool]


def keep_off_stops(rig: MeasurementRig, operator: Operator, settings: Servo) -> tuple[Limits | None, list[str]]:
    """Find a servo's end stops, and take back what was set beyond them; what is said of it."""
    name = settings.name
    with operator.progress(f"Looking for the end stops of {name}") as progress:
        limits = find_limits(rig, settings, progress)
    if limits is None:
        return None, []
    said = [f"{name} moves between {limits.min_us} and {limits.max_us} us{_stops(limits)}."]
    widths = {"safe": settings.safe_us, **settings.positions_us}
    kept = {at: min(limits.max_us, max(limits.min_us, width)) for at, width in widths.items()}
    said += [
        f"{name}: {at} was set to {width} us, which is beyond its end stop: {kept[at]} us from now on."
        for at, width in widths.items()
        if kept[at] != width
    ]
    safe_us = kept.pop("safe")
    rig.replace_actuator(settings.with_values(safe_us=safe_us, positions_us=kept))
    return limits, said


def _stops(limits: Limits) -> str:
    ends = [end for end, found in zip(("lower", "upper"), limits.found, strict=True) if found]
    return f"; the {' and the '.join(ends)} end is a stop, kept away from" if ends else ", no stop within its limits"


def find_limits(rig: MeasurementRig, settings: Servo, progress: Progress) -> Limits | None:
    """Return the limits within those of the station file; None where it is not in the camera's view."""
    rig.close_actuators()
    jog = Jog(settings, rig.pins)
    try:
        rig.wait(BACK_S)
        seen = _Seen.begin(rig, jog, settings)
        if seen is None:
            return None
        high = seen.go_on(settings.safe_us, STEP_US, settings.max_us)
        progress(0.5)
        low = seen.go_on(settings.safe_us, -STEP_US, settings.min_us)
        progress(1.0)
        return Limits(low or settings.min_us, high or settings.max_us, (low is not None, high is not None))
    finally:
        jog.go(settings.safe_us)
        try:
            rig.wait(BACK_S)
        finally:
            jog.close()


@dataclass
class _Seen:
    """A servo under steps: the pixels that it moves over, and how much they change while it stands."""

    rig: MeasurementRig
    jog: Jog
    moving: NDArray[np.bool_]
    noise: float

    @classmethod
    def begin(cls, rig: MeasurementRig, jog: Jog, settings: Servo) -> _Seen | None:
        """See which pixels its way to the farthest position changes; None if too few do."""
        start, again = _look(rig), _look(rig)
        jog.go(max(settings.positions_us.values(), key=lambda width: abs(width - settings.safe_us)))
        rig.wait(BACK_S)
        moving = np.abs(_look(rig) - start) > MOVING_LEVELS
        jog.go(settings.safe_us)
        rig.wait(BACK_S)
        if int(moving.sum()) < 60:
            return None
        grown = moving | np.roll(moving, 6, 0) | np.roll(moving, -6, 0) | np.roll(moving, 6, 1) | np.roll(moving, -6, 1)
        return cls(rig, jog, grown, _moved(start, again, grown))

    def go_on(self, start_us: int, step_us: int, end_us: int) -> int | None:
        """Step from a width towards an end; return the last width that moved it, less a margin; None: no stop before."""
        self.jog.go(start_us)
        self.rig.wait(BACK_S)
        before, still = _look(self.rig), 0
        width = start_us
        while min(width, end_us) + abs(step_us) <= max(width, end_us):
            width += step_us
            self.jog.go(width)
            self.rig.wait(STEP_S)
            now = _look(self.rig)
            still = still + 1 if _moved(before, now, self.moving) < NOISE_TIMES * self.noise else 0
            before = now
            if still == 2:
                kept = width - 2 * step_us - (MARGIN_US if step_us > 0 else -MARGIN_US)
                self.jog.go(kept)
                return kept
        return None


def _look(rig: MeasurementRig) -> Floats:
    """Return the mean of some pictures, grey, (height, width)."""
    mean: Floats = np.mean([frame.pixels.mean(axis=2) for frame in rig.frames(LOOK_FRAMES)], axis=0)
    return mean


def _moved(before: Floats, now: Floats, where: NDArray[np.bool_]) -> float:
    """Return how much changed: the mean of the hundredth of the pixels that changed most."""
    change = np.sort(np.abs(now - before)[where])
    return float(change[-max(20, len(change) // 100) :].mean())
