"""`sorter safe` from the command line: fast, without the libraries that may have been what failed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.paths import STATIONS
from typer.testing import CliRunner

from edge.cli import root
from edge.clock import VirtualClock
from edge.config import load_station
from edge.devices.actuators.actuator_type import SafeOutput
from edge.devices.gpio.mock_pins import MockPins
from edge.station.stops.safe_outputs import NOTE, drive_safe, read_safe_outputs, save_outputs


def test_it_reads_a_station_without_numpy_opencv_pydantic_or_gpiozero() -> None:
    program = (
        "import sys, pathlib, edge.cli.commands.safe, edge.station.stops.safe_outputs as safe\n"
        f"assert safe.read_safe_outputs(pathlib.Path({str(STATIONS / 'conveyor.toml')!r})).outputs\n"
        "print(*[m for m in ('numpy', 'cv2', 'pydantic', 'gpiozero', 'rich') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_a_simulated_station_is_nothing_to_do() -> None:
    result = CliRunner().invoke(root, ["safe", "--station", str(STATIONS / "demo.toml")])
    assert (result.exit_code, "simulated" in result.stdout) == (0, True)


@pytest.mark.parametrize("content", [None, "", "[[actuators]]\nname = "])
def test_a_file_without_outputs_is_a_config_error(content: str | None, tmp_path: Path) -> None:
    path = tmp_path / "station.toml"
    if content is not None:
        path.write_text(content, "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "edge", "safe", "--station", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert str(path) in done.stderr
    assert "Traceback" not in done.stderr


# -- whatever lies in the place of its files --------------------------------------------------------------------

CONVEYOR = STATIONS / "conveyor.toml"


def _make_huge(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 40)


IN_A_FILES_PLACE: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "endless": lambda path: path.symlink_to("/dev/zero"),
    "folder": Path.mkdir,
    "huge": _make_huge,
    "broken": lambda path: path.write_text("[[actuators\nname ="),
    "dangling": lambda path: path.symlink_to("nowhere"),
    "loop": lambda path: path.symlink_to(path.name),
    "binary": lambda path: path.write_bytes(bytes(range(256)) * 50),
    "long number": lambda path: path.write_text("a = " + "9" * 5000),
    "deep": lambda path: path.write_text("a = " + "[" * 100_000),
    "missing": lambda path: None,
}
WHAT = sorted(IN_A_FILES_PLACE)


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state folder of a service, in which a controller has noted what it drives."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    (tmp_path / "state").mkdir()
    save_outputs(tmp_path / "state", load_station(CONVEYOR).model_dump())
    return tmp_path / "state"


@pytest.mark.parametrize("what", WHAT)
def test_whatever_lies_in_the_station_files_place_the_pins_that_were_driven_are_made_safe(
    what: str, state: Path, tmp_path: Path
) -> None:
    IN_A_FILES_PLACE[what](tmp_path / "station.toml")
    reading = read_safe_outputs(tmp_path / "station.toml")
    assert reading.outputs == read_safe_outputs(CONVEYOR).outputs
    pins = MockPins()
    assert drive_safe(reading.outputs, pins, VirtualClock()) == []
    assert {number: pins.pin(number).state for number in (26, 17, 22, 27, 18)} == {26: 0, 17: 0, 22: 0, 27: 1, 18: 0}


@pytest.mark.parametrize("name", ["calibration.toml", NOTE])
@pytest.mark.parametrize("what", WHAT)
def test_whatever_lies_in_the_place_of_the_other_files_the_station_file_is_enough(
    what: str, name: str, tmp_path: Path
) -> None:
    station = tmp_path / "station.toml"
    station.write_text('state_folder = "state"\n[[actuators]]\nname = "valve"\ntype = "digital"\npin = 17\n')
    (tmp_path / "state").mkdir()
    IN_A_FILES_PLACE[what](tmp_path / "state" / name)
    assert read_safe_outputs(station).outputs == [SafeOutput("valve", {17: False})]


@pytest.mark.parametrize("what", WHAT)
def test_the_command_ends_within_its_time_and_in_a_sentence(what: str, tmp_path: Path) -> None:
    IN_A_FILES_PLACE[what](tmp_path / "station.toml")
    done = subprocess.run(
        [sys.executable, "-m", "edge", "safe", "--station", str(tmp_path / "station.toml")],
        capture_output=True, text=True, check=False, timeout=60, env=os.environ | {"STATE_DIRECTORY": str(tmp_path)},
    )  # fmt: skip
    assert (done.returncode, "no actuator can be read from it" in done.stderr) == (2, True)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "note",
    [
        '{"outputs": [{"name": "x", "levels": {"99": true}, "servo_pin": null, "safe_us": 0, "hardware_pwm": false}]}',
        '{"outputs": [{"name": "x", "levels": {}, "servo_pin": 18, "safe_us": 19999, "hardware_pwm": false}]}',
        '{"outputs": [{"name": "x", "levels": [], "servo_pin": 18}]}',
        '{"outputs": 3}',
        "[]",
        "3",
    ],
)
def test_a_note_that_no_controller_has_written_drives_nothing(note: str, state: Path, tmp_path: Path) -> None:
    (state / NOTE).write_text(note)
    assert read_safe_outputs(tmp_path / "missing.toml").outputs == []


def test_a_pin_that_was_changed_in_the_file_while_it_was_driven_is_made_safe_too(state: Path, tmp_path: Path) -> None:
    changed = CONVEYOR.read_text().replace("pin = 17", "pin = 16")
    (tmp_path / "station.toml").write_text(changed)
    outputs = read_safe_outputs(tmp_path / "station.toml").outputs
    assert {pin for output in outputs for pin in output.pins} >= {16, 17}


def test_a_noted_pin_that_is_an_input_by_now_is_left_alone(state: Path, tmp_path: Path) -> None:
    (tmp_path / "station.toml").write_text("[safety]\nestop_pin = 17\n")
    outputs = read_safe_outputs(tmp_path / "station.toml").outputs
    assert 17 not in {pin for output in outputs for pin in output.pins}
    assert 22 in {pin for output in outputs for pin in output.pins}


def test_the_note_is_written_once_and_not_at_every_start(state: Path) -> None:
    before = (state / NOTE).stat()
    save_outputs(state, load_station(CONVEYOR).model_dump())
    assert (state / NOTE).stat().st_ino == before.st_ino
    assert json.loads((state / NOTE).read_text())["outputs"]


def test_pins_are_driven_before_a_word_is_said() -> None:
    """A reader that is gone, or does not read, keeps nobody from the pins."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    full = 0
    try:
        while True:
            full += os.write(writer, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(writer, True)
    process = subprocess.Popen([sys.executable, "-c", DRIVING, str(CONVEYOR)], stdout=subprocess.PIPE, stderr=writer)
    assert process.stdout is not None
    assert process.stdout.readline() == b"driven\n"
    os.close(reader)
    process.wait(30)
    os.close(writer)


DRIVING = """
import sys
from pathlib import Path
import edge.tools.safe.make_safe as command
from edge.devices.gpio.mock_pins import MockPins

class Told(MockPins):
    def close(self): ...

command.open_pins = lambda: Told()
drive = command.drive_safe
def driven(*args):
    problems = [*drive(*args), "belt.run_pin: it refuses"]
    print("driven", flush=True)
    return problems
command.drive_safe = driven
command.main(Path(sys.argv[1]))
"""
