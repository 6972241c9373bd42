"""What was measured takes the place of what was written, as long as it belongs to the station as it is now."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from pydantic import ValidationError

from edge.config import Station, explain_problems
from edge.config.calibration.record import Calibration, CameraStep, Step
from edge.errors import CalibrationError

CONTROLS: Final = {"exposure_us", "gain", "red_gain", "blue_gain", "white_balance_k"}


class UnfitCalibrationError(CalibrationError):
    """Values that can't have been measured at this station: the file was changed, or is damaged."""

    def __init__(self, problems: Sequence[str]) -> None:
        told = "\n".join(f"  {line}" for line in problems)
        super().__init__(
            "the calibration has values that this station can't have; restore an older one with `sorter calibrate "
            f"restore`, or measure again with `sorter calibrate`\n{told}"
        )


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
        settings = station.pins_by_text().get(part)
    elif step == "thresholds":
        settings = frame | {"labels": sorted(label for where in station.bins for label in where.labels)}
    else:  # verify looks at all of it
        settings = station.model_dump(mode="json", exclude={"page", "notify", "journal", "state_folder"})
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
    return calibration.with_values(**update)


def apply_calibration(station: Station, calibration: Calibration | None) -> Station:
    """Return the station with what was measured in the place of what was written.

    Raises:
        CalibrationError: it belongs to another station, or a step is stale.
        UnfitCalibrationError: a value in it can't be used at this station.
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
    if problems := list(_unfit_values(station, calibration)):
        raise UnfitCalibrationError(problems)
    table = _overlaid(station, calibration)
    try:
        return Station.model_validate(table)
    except ValidationError as error:
        raise UnfitCalibrationError(explain_problems(error, Station, table)) from None


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


def _unfit_values(station: Station, calibration: Calibration) -> Iterator[str]:
    """Yield what no measurement at this station can have found, as `key = value: expected ...`."""
    for actuator in station.actuators:
        step = calibration.diverters.get(actuator.name)
        if step is not None:
            yield from (f"diverters.{actuator.name}.{problem}" for problem in actuator.unfit(step))
    if calibration.camera is not None and not station.camera.is_replayed:  # whose pictures have a size of their own
        yield from _unfit_region(station, calibration.camera)


def _unfit_region(station: Station, step: CameraStep) -> Iterator[str]:
    for size, start, length, whole in (
        ("width", step.x, step.width, station.camera.width),
        ("height", step.y, step.height, station.camera.height),
    ):
        if start + length > whole:
            yield f"camera.{size} = {length}: expected at most {whole - start}, from pixel {start} to the picture's end"


def _given(step: Step, names: Iterable[str]) -> dict[str, Any]:
    """Return those of the named values that were measured."""
    return {name: value for name in names if (value := getattr(step, name, None)) is not None}


def _overlaid(station: Station, calibration: Calibration) -> dict[str, Any]:
    """Return the station as a table, as its file would have it with what was measured; nothing in it is checked."""
    table = station.model_dump()
    camera, belt = calibration.camera, calibration.belt
    if camera is not None:
        table["region"] |= _given(camera, ("x", "y", "width", "height"))
        controls = set(type(station.camera).model_fields) & CONTROLS
        table["camera"] |= _given(camera, controls)
    if station.belt is not None:
        table["belt"] |= {} if camera is None else _given(camera, ("mm_per_pixel",))
        table["belt"] |= {} if belt is None else _given(belt, ("speed_mm_per_s", "direction"))
        if station.belt.encoder is not None and belt is not None:
            table["belt"]["encoder"] |= _given(belt, ("ticks_per_mm",))
    for actuator, entry in zip(station.actuators, table["actuators"], strict=True):
        if step := calibration.diverters.get(actuator.name):
            entry |= actuator.overlay(step)
    table["inputs"] |= {
        name: {"active_low": step.active_low, "debounce_ms": step.debounce_ms}
        for name, step in calibration.sensors.items()
        if name in station.pins_by_text()
    }
    return table
