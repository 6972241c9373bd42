"""A stepper's way, timed by its own steps, and proven by its home switch."""

from __future__ import annotations

import numpy as np

from edge.clock import NS_PER_MS
from edge.config.actuators import Stepper
from edge.errors import CalibrationError
from edge.interfaces import Polled
from edge.tools.calibrate.measure.timing import Measured
from edge.tools.calibrate.operator.operator import Progress
from edge.tools.calibrate.rig import MeasurementRig

REPEATS = 3


def measure_steps(rig: MeasurementRig, settings: Stepper, repeats: int | None, progress: Progress) -> Measured:
    """Go to every position and home again, several times; the time of the longest way counts.

    Raises:
        CalibrationError: it did not find home again: it has lost steps.
    """
    count = repeats or REPEATS
    ways = [(name, n) for n in range(count) for name in settings.positions_steps]
    out: dict[str, list[float]] = {name: [] for name in settings.positions_steps}
    back: list[float] = []
    rig.actuator(settings.name)  # finds its home
    for n, (name, _) in enumerate(ways):
        progress(n / len(ways))
        with rig.fired(settings.name, name) as commanded_at:
            out[name].append(_until_still(rig, settings.name, commanded_at))
        back.append(_until_still(rig, settings.name, rig.clock.now()))
        _refuse_lost(rig, settings, name)
    progress(1.0)
    longest = max(out.values(), key=lambda times: float(np.median(times)))
    measured = Measured(
        lead_ms=float(np.median(longest)), spread_ms=float(np.std(longest)), return_ms=float(np.max(back)),
        repeats=count, measured_with="steps",
    )  # fmt: skip
    if settings.home_pin is None:
        measured.warnings.append(
            f"{settings.name} has no home switch: steps that it loses are not noticed. Fit one and set home_pin."
        )
    return measured


def _until_still(rig: MeasurementRig, name: str, since: int) -> float:
    """Let it make its steps; return how long they took, ms."""
    actuator = rig.actuator(name)
    while isinstance(actuator, Polled) and (at := actuator.next_at()) is not None:
        rig.wait_until(at)
    return (rig.clock.now() - since) / NS_PER_MS


def _refuse_lost(rig: MeasurementRig, settings: Stepper, position: str) -> None:
    if settings.home_pin is not None and rig.level(settings.home_pin):
        raise CalibrationError(
            f"{settings.name} did not come home from {position}: it loses steps. Lower steps_per_s or "
            "acceleration_steps_per_s2, check the driver's current and that nothing blocks it"
        )
