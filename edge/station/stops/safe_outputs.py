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
from edge.devices.actuators import ACTUATOR_TYPES
from edge.devices.actuators.actuator_type import SafeOutput, WrittenEntry, is_pin, is_pulse
from edge.devices.gpio.pins import SERVO_HZ, Pin, Pins, open_output, refusing
from edge.errors import ActuatorError
from edge.system.files import read_regular, write_atomically

if TYPE_CHECKING:
    from edge.interfaces import Clock

# Long enough for a slow servo to come back from its farthest position.
TRAVEL_MS = 800.0
# Far more than a station file or a calibration has, and parsed within a second by a small Pi.
MOST_BYTES = 500_000
NOTE = "safe-outputs.json"
STATE_FOLDER = "/var/lib/sorter"
_SECTION = re.compile(r"\s*\[\[?\s*([A-Za-z_]+)\s*\]\]?\s*(#.*)?$")


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
    reading = outputs_of(table, _measured(table, folder))
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


def outputs_of(table: Mapping[str, Any], measured: Mapping[str, Mapping[str, Any]]) -> Reading:
    """Return the outputs of a station's table; `measured` is what calibration found, by actuator."""
    reading = Reading()
    camera = table.get("camera")
    reading.simulated = isinstance(camera, dict) and camera.get("type") == "simulated"
    belt = table.get("belt")
    if isinstance(belt, dict) and belt.get("run_pin") is not None:
        _add(reading, WrittenEntry("belt.run_pin", {"type": "digital", "pin": belt["run_pin"]}))
    actuators = table.get("actuators")
    for number, entry in enumerate(actuators if isinstance(actuators, list | tuple) else []):
        if isinstance(entry, dict):
            name = str(entry.get("name", f"actuators[{number}]"))
            _add(reading, WrittenEntry(name, entry, measured.get(name, {})))
    return reading


def save_outputs(folder: Path, table: Mapping[str, Any]) -> None:
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
    if not all(map(is_pin, levels)) or not (servo_pin is None or (is_pin(servo_pin) and is_pulse(safe_us))):
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
            if is_pin(value) and re.search(r"(^|_)pin(_|$)", str(key)):
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


def _measured(table: Mapping[str, Any], folder: Path) -> dict[str, Mapping[str, Any]]:
    """What calibration keeps of each actuator; nothing where its file can't be read."""
    try:
        calibration = tomllib.loads(read_regular(folder / "calibration.toml", MOST_BYTES).decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return {}
    diverters = calibration.get("diverters", {})
    if "name" in table and calibration.get("station", table["name"]) != table["name"]:
        return {}  # another station's
    steps = diverters.items() if isinstance(diverters, dict) else ()
    return {name: step for name, step in steps if isinstance(step, dict)}


def _add(reading: Reading, entry: WrittenEntry) -> None:
    kind = entry.table.get("type")
    actuator_type = ACTUATOR_TYPES.get(kind) if isinstance(kind, str) else None
    if actuator_type is None:
        *some, last = ACTUATOR_TYPES
        expected = f"{', '.join(some)} or {last}"
        reading.problems.append(f"{entry.name}: type = {kind!r}; expected {expected}: its pins are left alone")
        return
    if (output := actuator_type.safe(entry)) is not None:
        reading.outputs.append(output)
    reading.problems += [f"{entry.name}: {problem}" for problem in entry.problems]
