"""What was measured on site: the machine's own file, `calibration.toml` in the state folder.

The file is written whole and atomically; the human's station file is never touched. Each step stores a
digest of the settings that it depends on, so that a changed setting makes stale what hangs on it and
nothing else.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import tomli_w
from pydantic import Field, ValidationError

from edge.config import Station, explain_problems
from edge.config.base import Name, Settings
from edge.durable import write_atomically
from edge.errors import CalibrationError

FORMAT_VERSION: Final = 1
FILE_NAME = "calibration.toml"
HISTORY_FOLDER = "calibrations"
HISTORY_KEPT = 20


class Step(Settings):
    """What every measured step keeps."""

    measured_at: str = Field(description="date and time of the measurement, ISO 8601, UTC")
    of: str = Field(description="digest of the settings that it depends on")


class CameraStep(Step):
    """The camera, its view and its scale."""

    identity: str = Field(description="the camera that it was measured with")
    x: int = Field(ge=0, description="region's left edge, pixels")
    y: int = Field(ge=0, description="region's top edge, pixels")
    width: int = Field(ge=32, description="region's width, pixels")
    height: int = Field(ge=32, description="region's height, pixels")
    focus: float = Field(ge=0, description="sharpness of the sheet, 0 to 1: detail that blurring would take away")
    exposure_us: int | None = Field(default=None, ge=10, description="exposure time, microseconds")
    gain: float | None = Field(default=None, ge=0, description="analogue gain")
    red_gain: float | None = Field(default=None, gt=0, description="colour gain")
    blue_gain: float | None = Field(default=None, gt=0, description="colour gain")
    white_balance_k: int | None = Field(default=None, ge=1000, description="colour temperature, kelvin")
    brightness: float = Field(ge=0, le=255, description="mean grey level of the empty view")
    brightness_spread: float = Field(ge=0, description="standard deviation of it over the locked frames, grey levels")
    mm_per_pixel: float | None = Field(default=None, gt=0, description="scale at the belt's surface, mm per pixel")
    mm_per_pixel_spread: float | None = Field(default=None, ge=0, description="standard deviation of it")
    tilt_degrees: float | None = Field(default=None, description="angle of the belt in the picture, degrees")


class BackgroundStep(Step):
    """How the empty place looks."""

    seconds: float = Field(gt=0, description="how long it was watched")
    separability: float = Field(ge=0, description="distance of items from the background, standard deviations")
    false_items: int = Field(ge=0, description="items seen although it was empty")


class BeltStep(Step):
    """How the belt moves."""

    speed_mm_per_s: float = Field(gt=0, description="belt speed, mm/s")
    speed_spread: float = Field(ge=0, description="standard deviation over the repeats, mm/s")
    direction: Literal["right", "left", "down", "up"] = Field(description="where items go in the picture")
    repeats: int = Field(ge=1, description="independent measurements")
    stop_distance_mm: float | None = Field(default=None, ge=0, description="how far it runs on after a stop, mm")
    ticks_per_mm: float | None = Field(default=None, gt=0, description="encoder edges per millimetre")


class DiverterStep(Step):
    """How one actuator moves."""

    lead_ms: float = Field(ge=0, description="from command to position reached, ms")
    lead_spread_ms: float = Field(ge=0, description="standard deviation over the repeats, ms")
    return_ms: float = Field(ge=0, description="from release to safe position reached, ms")
    repeats: int = Field(ge=1, description="strokes measured")
    positions_us: dict[Name, int] = Field(default={}, description="pulse width of each position, servos")
    safe_us: int | None = Field(default=None, description="pulse width of the safe position, servos")


class SensorStep(Step):
    """How one input behaves."""

    active_low: bool = Field(description="level while active")
    debounce_ms: float = Field(ge=0, le=1000, description="longest chatter seen, with reserve, ms")


class ThresholdStep(Step):
    """When the model is sure enough at this station."""

    bundle: str = Field(description="digest of the bundle that they were fitted for")
    temperature: float = Field(gt=0, description="divides the logits before softmax")
    minimum_score: dict[str, Annotated[float, Field(ge=0, le=1)]] = Field(description="per label")
    purity: float = Field(gt=0, lt=1, description="purity that was asked for")
    samples: int = Field(ge=1, description="photos of this station that they were fitted on")


class VerifyStep(Step):
    """The last acceptance run."""

    items: int = Field(ge=1, description="items run")
    right: int = Field(ge=0, description="items that landed in the expected bin")
    least_margin_ms: float = Field(description="least time between decision and last possible stroke, ms")
    verdict: Literal["good", "usable", "bad"]


class Calibration(Settings):
    """All steps done so far at one station."""

    format_version: Literal[1] = FORMAT_VERSION
    station: Name = Field(description="name of the station that it belongs to")
    camera: CameraStep | None = None
    background: BackgroundStep | None = None
    belt: BeltStep | None = None
    diverters: dict[Name, DiverterStep] = Field(default={}, description="by actuator")
    sensors: dict[str, SensorStep] = Field(default={}, description="by input")
    thresholds: ThresholdStep | None = None
    verify: VerifyStep | None = None


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
        settings = {pin: names for pin, names in sorted(station.pin_users().items()) if part in names}
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


def load_calibration(folder: Path) -> Calibration | None:
    """Read the calibration in a state folder; None when the station was never calibrated.

    Raises:
        CalibrationError: the file is damaged, or newer than this program.
    """
    path = folder / FILE_NAME
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CalibrationError(f"{path}: can't be read: {error.strerror}") from None
    return parse_calibration(content, path)


def parse_calibration(content: bytes, path: Path) -> Calibration:
    """Read a calibration's text; `path` names it in the error.

    Raises:
        CalibrationError: it is damaged, or newer than this program.
    """
    mend = "restore an older one with `sorter calibrate restore`, or measure again with `sorter calibrate`"
    try:
        table = tomllib.loads(content.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise CalibrationError(f"{path}: damaged ({error}); {mend}") from None
    version = table.get("format_version")
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise CalibrationError(
            f"{path}: written by a newer edge-sorter (format {version}, this one reads {FORMAT_VERSION}); update, or {mend}"
        )
    try:
        return Calibration.model_validate(table)
    except ValidationError as error:
        problems = "\n".join(f"  {line}" for line in explain_problems(error, Calibration, table))
        raise CalibrationError(f"{path}: not a calibration; {mend}\n{problems}") from None


def save_calibration(folder: Path, calibration: Calibration, stamp: str) -> Path:
    """Write the calibration whole, keeping the one before in the history folder under `stamp`."""
    path = folder / FILE_NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if path.exists():
            history = folder / HISTORY_FOLDER
            history.mkdir(exist_ok=True)
            write_atomically(history / f"{stamp}.toml", path.read_bytes())
            for old in sorted(history.glob("*.toml"))[:-HISTORY_KEPT]:
                old.unlink()
        write_atomically(path, tomli_w.dumps(calibration.model_dump(exclude_none=True)).encode())
    except OSError as error:
        raise CalibrationError(
            f"{path}: can't be written: {error.strerror}; the old calibration is unchanged"
        ) from None
    return path


def history(folder: Path) -> list[Path]:
    """Return the older calibrations that are kept, newest first."""
    return sorted((folder / HISTORY_FOLDER).glob("*.toml"), reverse=True)


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


def _actuators(station: Station, calibration: Calibration) -> Iterable[Any]:
    for actuator in station.actuators:
        step = calibration.diverters.get(actuator.name)
        if step is None:
            yield actuator
            continue
        update: dict[str, Any] = {"lead_ms": step.lead_ms, "return_ms": step.return_ms}
        if actuator.type == "servo":
            update |= _given(step, ("safe_us",))
            if step.positions_us:
                update["positions_us"] = actuator.positions_us | step.positions_us
        yield actuator.model_copy(update=update)
