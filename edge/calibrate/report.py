"""A calibration in words and figures, for people."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from edge.calibrate.apply import stale_steps
from edge.calibrate.record import Calibration
from edge.config import Station

# In the order in which they build on each other.
STEPS = ("camera", "background", "belt", "diverters", "sensors", "thresholds", "verify")


def needed_steps(station: Station) -> list[str]:
    """Return the steps that a station of this kind needs, in order."""
    needed = ["camera", "background"]
    if station.belt is not None:
        needed.append("belt")
    if measurable(station):
        needed.append("diverters")
    if sensor_names(station):
        needed.append("sensors")
    needed += ["thresholds", "verify"]
    return needed


def measurable(station: Station) -> list[str]:
    """Return the actuators whose time is measured; a stepper's follows from its steps."""
    return [actuator.name for actuator in station.actuators if actuator.type != "stepper"]


def sensor_names(station: Station) -> list[str]:
    """Return the inputs of a station, as `edge/inputs.py` calls them."""
    safety = station.safety
    fixed = {
        "estop": safety.estop_pin,
        "reset": safety.reset_pin,
        "jam": safety.jam_pin,
        "beam": station.sensing.beam_pin,
    }
    names = [name for name, pin in fixed.items() if pin is not None]
    names += [f"full:{where.name}" for where in station.bins if where.full_pin is not None]
    return names + [f"exit:{where.name}" for where in station.bins if where.exit_pin is not None]


def step_state(station: Station, calibration: Calibration | None, step: str) -> str:
    """Return missing, partly, stale or done."""
    if calibration is None:
        return "missing"
    if step in stale_steps(station, calibration):
        return "stale"
    if step == "diverters":
        return _state_of_parts(set(measurable(station)), calibration.diverters)
    if step == "sensors":
        return _state_of_parts(set(sensor_names(station)), calibration.sensors)
    return "missing" if getattr(calibration, step) is None else "done"


def _state_of_parts(wanted: set[str], measured: Iterable[str]) -> str:
    there = wanted & set(measured)
    if there == wanted:
        return "done"
    return "partly" if there else "missing"


def differences(before: Calibration | None, after: Calibration | None) -> list[tuple[str, Any, Any]]:
    """Return what differs: dotted key, value before, value after; None where there is none."""
    old, new = flat(before), flat(after)
    return [(key, old.get(key), new.get(key)) for key in sorted(old | new) if old.get(key) != new.get(key)]


def flat(calibration: Calibration | None) -> dict[str, Any]:
    """Return every measured value under its dotted key; digests and the stored view tell nobody anything."""
    if calibration is None:
        return {}
    values: dict[str, Any] = {}

    def collect(table: dict[str, Any], prefix: str) -> None:
        for key, value in table.items():
            if isinstance(value, dict):
                collect(value, f"{prefix}{key}.")
            elif key not in ("of", "format_version", "view"):
                values[f"{prefix}{key}"] = value

    collect(calibration.model_dump(mode="json", exclude_none=True), "")
    return values
