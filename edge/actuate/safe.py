"""The safe position of every output, read straight from the station file and driven without the rest of the program.

Used by `sorter safe` after a crash: it must work when the file is partly broken, so it looks at plain tables
instead of checked settings, and takes what it can read.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.actuate.pins import SERVO_HZ, Pin, Pins, open_output, refusing
from edge.clock import ms
from edge.durable import read_regular
from edge.errors import ActuatorError

if TYPE_CHECKING:
    from edge.interfaces import Clock

# Long enough for a slow servo to come back from its farthest position.
TRAVEL_MS = 800.0
# Of a servo whose file says nothing else.
LIMITS_US = {"min_us": 1000, "max_us": 2000}
# Far more than a station file or a calibration has.
MOST_BYTES = 4_000_000
_SECTION = re.compile(r"\s*\[\[?\s*([A-Za-z_]+)\s*\]\]?\s*(#.*)?$")
_STEPPER_LEVELS = {"step_pin": False, "direction_pin": False, "enable_pin": True}


@dataclass(frozen=True)
class SafeOutput:
    """What one actuator's pins are driven to: fixed levels, and for a servo the pulse of its safe position."""

    name: str
    levels: Mapping[int, bool]
    servo_pin: int | None = None
    safe_us: int = 0
    hardware_pwm: bool = False


@dataclass
class Reading:
    """What could be read of a station file, and what could not."""

    outputs: list[SafeOutput] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    simulated: bool = False


def read_safe_outputs(station: Path) -> Reading:
    """Read the outputs of a station file as far as it can be understood; raises nothing but OSError."""
    reading = Reading()
    table = _read_leniently(station.read_bytes().decode("utf-8-sig", "replace"), station, reading.problems)
    camera = table.get("camera")
    reading.simulated = isinstance(camera, dict) and camera.get("type") == "simulated"
    measured = _measured_servos(table, station.resolve().parent)
    belt = table.get("belt")
    if isinstance(belt, dict) and "run_pin" in belt:
        _add(reading, "belt.run_pin", {"type": "digital", "pin": belt["run_pin"]})
    actuators = table.get("actuators")
    for number, entry in enumerate(actuators if isinstance(actuators, list) else []):
        if isinstance(entry, dict):
            name = str(entry.get("name", f"actuators[{number}]"))
            _add(reading, name, entry, measured.get(name, {}))
    return reading


def drive_safe(outputs: Sequence[SafeOutput], pins: Pins, clock: Clock) -> list[str]:
    """Drive all outputs to their safe levels and servos to their safe positions; return what was refused."""
    problems: list[str] = []
    moving: list[Pin] = []
    for output in outputs:
        try:
            for pin, level in output.levels.items():
                open_output(pins, pin, level, output.name)
            if output.servo_pin is not None:
                moving.append(_pulse(output, output.servo_pin, pins))
        except ActuatorError as error:
            problems.append(str(error))
    if moving:
        clock.sleep_until(clock.now() + ms(TRAVEL_MS))
    for servo in moving:
        try:
            with refusing("servo"):
                servo.frequency = None
        except ActuatorError as error:
            problems.append(str(error))
    return problems


def _pulse(output: SafeOutput, number: int, pins: Pins) -> Pin:
    with refusing(f"{output.name}: GPIO {number}"):
        pin = pins.servo_pin(number, output.hardware_pwm)
        pin.output_with_state(0)
        pin.frequency = SERVO_HZ
        pin.state = output.safe_us * SERVO_HZ / 1_000_000
        return pin


def _read_leniently(text: str, station: Path, problems: list[str]) -> dict[str, Any]:
    """Parse as TOML, or line by line where it is not."""
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        problems.append(f"{station}: not valid TOML ({error}); the lines that can be read are used")
    table: dict[str, Any] = {"actuators": []}
    at: dict[str, Any] = table
    for line in text.splitlines():
        if section := _SECTION.match(line):
            at = {}
            if section[1] == "actuators":
                table["actuators"].append(at)
            elif section[1] in ("belt", "camera"):
                table[section[1]] = at
            continue
        try:
            at.update(tomllib.loads(line))
        except (tomllib.TOMLDecodeError, RecursionError):
            continue
    return table


def _measured_servos(table: Mapping[str, Any], station_folder: Path) -> dict[str, dict[str, int]]:
    """What calibration measured of servos: safe position and limits; none where its file can't be read."""
    state_folder = table.get("state_folder")
    folder = Path(state_folder) if isinstance(state_folder, str) else Path("/var/lib/sorter")
    try:
        content = read_regular(station_folder / folder.expanduser() / "calibration.toml", MOST_BYTES).decode(
            "utf-8-sig"
        )
        calibration = tomllib.loads(content)
    except (OSError, ValueError, RuntimeError):
        return {}
    diverters = calibration.get("diverters", {})
    if "name" in table and calibration.get("station", table["name"]) != table["name"]:
        return {}  # another station's
    found: dict[str, dict[str, int]] = {}
    for name, step in diverters.items() if isinstance(diverters, dict) else ():
        if isinstance(step, dict):
            found[name] = {key: step[key] for key in ("safe_us", "min_us", "max_us") if _is_pulse(step.get(key))}
    return found


def _safe_pulse(entry: Mapping[str, Any], measured: Mapping[str, int]) -> int:
    """Return the safe position that was measured, else the written one, within the limits; measuring only narrows them."""
    low, high = (entry[key] if _is_pulse(entry.get(key)) else usual for key, usual in LIMITS_US.items())
    narrow_low, narrow_high = max(low, measured.get("min_us", 0)), min(high, measured.get("max_us", high))
    if narrow_low < narrow_high:
        low, high = narrow_low, narrow_high
    wanted: int = measured.get("safe_us", entry["safe_us"])
    return min(high, max(low, wanted))


def _add(reading: Reading, name: str, entry: Mapping[str, Any], measured: Mapping[str, int] | None = None) -> None:
    problems = list(_unusable(entry))
    reading.problems += [f"{name}: {problem}" for problem in problems]
    kind = entry.get("type")
    if kind == "stepper":
        levels = {entry[key]: level for key, level in _STEPPER_LEVELS.items() if _is_pin(entry.get(key))}
        reading.outputs.append(SafeOutput(name, levels))
    elif not _is_pin(entry.get("pin")):
        return
    elif kind == "servo" and _is_pulse(entry.get("safe_us")):
        hardware = entry.get("hardware_pwm") is True
        safe_us = _safe_pulse(entry, measured or {})
        reading.outputs.append(SafeOutput(name, {}, entry["pin"], safe_us, hardware))
    elif kind == "servo":
        reading.outputs.append(SafeOutput(name, {entry["pin"]: False}))  # no pulses: it stays where it is
    elif not problems:
        reading.outputs.append(SafeOutput(name, {entry["pin"]: not entry.get("active_high", True)}))


def _unusable(entry: Mapping[str, Any]) -> Iterator[str]:
    kind = entry.get("type")
    if kind not in ("digital", "servo", "stepper"):
        yield f"type = {kind!r}; expected digital, servo or stepper: its pins are left alone"
    if kind == "servo" and not _is_pulse(entry.get("safe_us")):
        yield f"safe_us = {entry.get('safe_us')!r}; expected 500 to 2500: it gets no pulses"
    if kind == "digital" and not isinstance(entry.get("active_high", True), bool):
        yield f"active_high = {entry['active_high']!r}; expected true or false: its pin is left alone"
    wanted = ("step_pin", "direction_pin", "enable_pin") if kind == "stepper" else ("pin",)
    for key in wanted:
        if not _is_pin(entry.get(key)) and (key in entry or key != "enable_pin"):
            yield f"{key} = {entry.get(key)!r}; expected a GPIO number, 0 to 27"


def _is_pin(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 27


def _is_pulse(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 500 <= value <= 2500
