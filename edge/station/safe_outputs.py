"""The safe position of every output, read straight from the station file and driven without the rest of the program.

Used by `sorter safe` after a crash: it must work when the file is partly broken, so it looks at plain tables
instead of checked settings, and takes what it can read. The controller notes in its state folder which outputs it
drives: what the station file does not tell any more is made safe by that note.
"""

from __future__ import annotations

import codecs
import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.clock import ms
from edge.devices.gpio.pins import SERVO_HZ, Pin, Pins, open_output, refusing
from edge.errors import ActuatorError
from edge.system.files import read_regular, write_atomically

if TYPE_CHECKING:
    from edge.interfaces import Clock

# Long enough for a slow servo to come back from its farthest position.
TRAVEL_MS = 800.0
# Of a servo whose file says nothing else.
LIMITS_US = {"min_us": 1000, "max_us": 2000}
# Far more than a station file or a calibration has, and parsed within a second by a small Pi.
MOST_BYTES = 500_000
NOTE = "safe-outputs.json"
STATE_FOLDER = "/var/lib/sorter"
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

    @property
    def pins(self) -> tuple[int, ...]:
        """Every pin that it drives."""
        return (*self.levels, *(() if self.servo_pin is None else (self.servo_pin,)))


@dataclass
class Reading:
    """What could be read of a station file, and what could not."""

    outputs: list[SafeOutput] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    simulated: bool = False


def read_safe_outputs(station: Path) -> Reading:
    """Read the outputs of a station file as far as it can be understood, and those noted beside it; raises nothing."""
    table, problems = _read_table(station)
    folder = _state_folder(table, station)
    reading = outputs_of(table, _measured_servos(table, folder))
    reading.problems = [*problems, *reading.problems]
    if reading.simulated:
        reading.outputs.clear()  # its pins are in memory
    # What is an output or an input by now is none of the note's business.
    known = {pin for output in reading.outputs for pin in output.pins}
    known |= set(_pins_in({key: value for key, value in table.items() if key != "actuators"}))
    for output in _noted(folder):
        if (left := _without(output, known)) is not None:
            reading.outputs.append(left)
            reading.problems.append(f"{output.name}: made safe as the controller noted that it drove it")
    return reading


def outputs_of(table: Mapping[str, Any], measured: Mapping[str, Mapping[str, int]]) -> Reading:
    """Return the outputs of a station's table; `measured` is what calibration found, by actuator."""
    reading = Reading()
    camera = table.get("camera")
    reading.simulated = isinstance(camera, dict) and camera.get("type") == "simulated"
    belt = table.get("belt")
    if isinstance(belt, dict) and belt.get("run_pin") is not None:
        _add(reading, "belt.run_pin", {"type": "digital", "pin": belt["run_pin"]})
    actuators = table.get("actuators")
    for number, entry in enumerate(actuators if isinstance(actuators, list | tuple) else []):
        if isinstance(entry, dict):
            name = str(entry.get("name", f"actuators[{number}]"))
            _add(reading, name, entry, measured.get(name, {}))
    return reading


def note_outputs(folder: Path, table: Mapping[str, Any]) -> None:
    """Note in the state folder what is driven from now on; `table` is the station as it runs.

    Raises:
        OSError: it can't be written.
    """
    outputs = [asdict(output) for output in outputs_of(table, {}).outputs]
    content = json.dumps({"outputs": outputs}, indent=1).encode()
    with suppress(OSError):
        if read_regular(folder / NOTE, MOST_BYTES) == content:
            return
    write_atomically(folder / NOTE, content)


def _noted(folder: Path) -> list[SafeOutput]:
    try:
        entries = json.loads(read_regular(folder / NOTE, MOST_BYTES))["outputs"]
        return [output for entry in entries if (output := _noted_output(entry)) is not None]
    except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return []


def _noted_output(entry: Mapping[str, Any]) -> SafeOutput | None:
    levels = {int(pin): level is True for pin, level in entry["levels"].items()}
    servo_pin, safe_us = entry["servo_pin"], entry["safe_us"]
    if not all(map(_is_pin, levels)) or not (servo_pin is None or (_is_pin(servo_pin) and _is_pulse(safe_us))):
        return None
    return SafeOutput(str(entry["name"]), levels, servo_pin, safe_us, entry["hardware_pwm"] is True)


def _without(output: SafeOutput, pins: set[int]) -> SafeOutput | None:
    """Return an output without these pins, which may be anything by now; None if nothing is left of it."""
    levels = {pin: level for pin, level in output.levels.items() if pin not in pins}
    servo_pin = None if output.servo_pin in pins else output.servo_pin
    return replace(output, levels=levels, servo_pin=servo_pin) if levels or servo_pin is not None else None


def _pins_in(table: object) -> Iterator[int]:
    """Yield every GPIO number that a table names, whatever for."""
    if isinstance(table, dict):
        for key, value in table.items():
            if _is_pin(value) and re.search(r"(^|_)pin(_|$)", str(key)):
                yield value
            yield from _pins_in(value)
    elif isinstance(table, list):
        for value in table:
            yield from _pins_in(value)


def drive_safe(outputs: Sequence[SafeOutput], pins: Pins, clock: Clock) -> list[str]:
    """Drive all outputs to their safe levels and servos to their safe positions; return what was refused."""
    problems: list[str] = []
    moving: list[Pin] = []
    for output in sorted(outputs, key=lambda output: output.servo_pin is not None):  # what is switched off comes first
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


def _read_table(station: Path) -> tuple[dict[str, Any], list[str]]:
    """Return a station file as a table, and what is wrong with it; an empty table where nothing can be read."""
    try:
        content = read_regular(station, MOST_BYTES)
    except OSError as error:
        return {}, [f"{station}: can't be read ({error.strerror})"]
    is_utf_16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = content.decode("utf-16" if is_utf_16 else "utf-8-sig", "replace")
    try:
        return tomllib.loads(text), []
    except (ValueError, RecursionError) as error:  # also a number of more digits than Python takes
        why = f"{station}: not valid TOML ({error}); the lines that can be read are used"
        return _read_lines(text), [why]


def _read_lines(text: str) -> dict[str, Any]:
    """Take each line for itself that is TOML."""
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
        except (ValueError, RecursionError):
            continue
    return table


def _state_folder(table: Mapping[str, Any], station: Path) -> Path:
    """Return where the controller keeps what it knows: the station's folder, else the service's."""
    written = table.get("state_folder")
    folder = Path(written if isinstance(written, str) else os.environ.get("STATE_DIRECTORY", STATE_FOLDER))
    anchor = station.absolute().parent
    with suppress(OSError, RuntimeError):  # a loop of links
        anchor = station.resolve().parent
    with suppress(RuntimeError):  # no such home
        folder = folder.expanduser()
    return anchor / folder


def _measured_servos(table: Mapping[str, Any], folder: Path) -> dict[str, dict[str, int]]:
    """What calibration measured of servos: safe position and limits; none where its file can't be read."""
    try:
        calibration = tomllib.loads(read_regular(folder / "calibration.toml", MOST_BYTES).decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError):
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
