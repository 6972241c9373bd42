"""A calibration in words and figures, for people."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from edge.config import Station
from edge.config.calibration.overlay import stale_steps
from edge.config.calibration.record import Calibration


def needed_steps(station: Station) -> list[str]:
    """Return the steps that a station of this kind needs, in order."""
    needed = ["camera", "background"]
    if station.belt is not None:
        needed.append("belt")
    if station.actuators:
        needed.append("diverters")
    if station.input_pins():
        needed.append("sensors")
    needed += ["thresholds", "verify"]
    return needed


def step_state(station: Station, calibration: Calibration | None, step: str) -> str:
    """Return missing, partly, stale or done."""
    if calibration is None or not getattr(calibration, step):
        return "missing"
    if calibration.station != station.name or step in stale_steps(station, calibration):
        return "stale"
    if step == "diverters":
        return _state_of_parts({actuator.name for actuator in station.actuators}, calibration.diverters)
    if step == "sensors":
        return _state_of_parts(set(station.pins_by_text()), calibration.sensors)
    return "done"


def _state_of_parts(wanted: set[str], measured: Iterable[str]) -> str:
    return "done" if wanted <= set(measured) else "partly"


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


def table_of(calibration: Calibration | None) -> dict[str, Any] | None:
    """Return a calibration for programs, without the stored view, which is no figure."""
    if calibration is None:
        return None
    return calibration.model_dump(mode="json", exclude_none=True, exclude={"background": {"view"}})
