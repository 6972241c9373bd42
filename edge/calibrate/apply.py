"""What was measured takes the place of what was written, as long as it belongs to the station as it is now."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from edge.calibrate.record import Calibration, Step
from edge.config import Station
from edge.config.actuators import ActuatorSettings
from edge.config.inputs import Input
from edge.errors import CalibrationError


def step_digest(station: Station, step: str, part: str = "") -> str:
    """Return the digest of the settings that a step (of one actuator or sensor: `part`) depends on."""
    camera = station.camera.model_dump(mode="json")
    frame = {key: camera[key] for key in ("type", "width", "height")} | {"region": station.region.model_dump()}
    belt = station.belt.model_dump() if station.belt is not None else None
    settings: Any
    if step == "camera":
        settings = frame | {"kind": station.kind}
    elif step == "background":
        settings = frame | {"sensing": station.sensing.model_dump()}
    elif step == "belt":
        settings = [frame, belt]
    elif step == "diverters":
        settings = station.actuator(part).model_dump(mode="json")
    elif step == "sensors":
        settings = station.input_pins().get(part)
    elif step == "thresholds":
        settings = frame | {"labels": sorted(label for where in station.bins for label in where.labels)}
    else:  # verify looks at all of it
        settings = station.model_dump(mode="json", exclude={"page", "journal", "state_folder"})
    return hashlib.sha256(json.dumps([step, settings], sort_keys=True).encode()).hexdigest()[:16]


def stale_steps(station: Station, calibration: Calibration) -> list[str]:
    """Return the steps whose settings were changed since they were measured, as `sorter calibrate` names them."""
    single: Mapping[str, Step | None] = {
        name: getattr(calibration, name) for name in ("camera", "background", "belt", "thresholds", "verify")
    }
    stale = [name for name, step in single.items() if step is not None and step.of != step_digest(station, name)]
    known = {actuator.name for actuator in station.actuators}
    if any(n not in known or s.of != step_digest(station, "diverters", n) for n, s in calibration.diverters.items()):
        stale.append("diverters")
    if any(s.of != step_digest(station, "sensors", n) for n, s in calibration.sensors.items()):
        stale.append("sensors")
    return stale


def without_stale(station: Station, calibration: Calibration) -> Calibration:
    """Return what still holds for a station: all of it, less what is stale, and nothing if it belongs to another one."""
    if calibration.station != station.name:
        return Calibration(station=station.name)
    known = {actuator.name for actuator in station.actuators}
    update: dict[str, Any] = {
        "diverters": {
            n: s
            for n, s in calibration.diverters.items()
            if n in known and s.of == step_digest(station, "diverters", n)
        },
        "sensors": {n: s for n, s in calibration.sensors.items() if s.of == step_digest(station, "sensors", n)},
    }
    single = ("camera", "background", "belt", "thresholds", "verify")
    update |= {name: None for name in stale_steps(station, calibration) if name in single}
    return calibration.model_copy(update=update)


def apply_calibration(station: Station, calibration: Calibration | None) -> Station:
    """Return the station with what was measured in the place of what was written.

    Raises:
        CalibrationError: it belongs to another station, or a step is stale.
    """
    if calibration is None:
        return station
    if calibration.station != station.name:
        raise CalibrationError(
            f"the calibration belongs to station {calibration.station!r}, this one is {station.name!r}: run `sorter calibrate`"
        )
    # What was verified is no setting: it is out of date, and nothing that runs depends on it.
    if stale := [step for step in stale_steps(station, calibration) if step != "verify"]:
        raise CalibrationError(
            "settings were changed since they were measured; run again: "
            + ", ".join(f"`sorter calibrate {step}`" for step in stale)
        )
    return station.model_copy(
        update={
            "region": _region(station, calibration),
            "camera": _camera(station, calibration),
            "belt": _belt(station, calibration),
            "actuators": tuple(_actuators(station, calibration)),
            "inputs": _inputs(station, calibration),
        }
    )


def check_camera(calibration: Calibration | None, identity: str) -> None:
    """Refuse a camera that is not the one the station was calibrated with.

    Raises:
        CalibrationError: it is another camera.
    """
    if calibration is None or calibration.camera is None or calibration.camera.identity == identity:
        return
    raise CalibrationError(
        f"the station was calibrated with camera {calibration.camera.identity!r}, this one is {identity!r}: "
        "plug the old one in, or run `sorter calibrate camera`"
    )


def _given(step: Step, names: Iterable[str]) -> dict[str, Any]:
    """Return those of the named values that were measured."""
    return {name: value for name in names if (value := getattr(step, name, None)) is not None}


def _region(station: Station, calibration: Calibration) -> Any:
    step = calibration.camera
    return (
        station.region
        if step is None
        else station.region.model_copy(update=_given(step, ("x", "y", "width", "height")))
    )


def _camera(station: Station, calibration: Calibration) -> Any:
    if calibration.camera is None:
        return station.camera
    names = set(type(station.camera).model_fields) & {"exposure_us", "gain", "red_gain", "blue_gain", "white_balance_k"}
    return station.camera.model_copy(update=_given(calibration.camera, names))


def _belt(station: Station, calibration: Calibration) -> Any:
    if station.belt is None:
        return None
    update: dict[str, Any] = {}
    if calibration.camera is not None:
        update |= _given(calibration.camera, ("mm_per_pixel",))
    if calibration.belt is not None:
        update |= _given(calibration.belt, ("speed_mm_per_s", "direction"))
        if station.belt.encoder is not None and calibration.belt.ticks_per_mm is not None:
            update["encoder"] = station.belt.encoder.model_copy(update={"ticks_per_mm": calibration.belt.ticks_per_mm})
    return station.belt.model_copy(update=update)


def _actuators(station: Station, calibration: Calibration) -> Iterable[ActuatorSettings]:
    for actuator in station.actuators:
        step = calibration.diverters.get(actuator.name)
        if step is None:
            yield actuator
            continue
        update: dict[str, Any] = {"lead_ms": step.lead_ms, "return_ms": step.return_ms}
        if actuator.type == "servo":
            update |= _given(step, ("safe_us", "min_us", "max_us"))
            update["positions_us"] = actuator.positions_us | step.positions_us
        elif actuator.type == "stepper":
            update["positions_steps"] = actuator.positions_steps | step.positions_steps
        yield actuator.model_copy(update=update)


def _inputs(station: Station, calibration: Calibration) -> dict[str, Input]:
    learnt = {
        name: Input(active_low=step.active_low, debounce_ms=step.debounce_ms)
        for name, step in calibration.sensors.items()
    }
    return station.inputs | {name: how for name, how in learnt.items() if name in station.input_pins()}
