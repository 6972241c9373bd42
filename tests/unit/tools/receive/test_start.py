"""`sorter receive` starts at once: with nothing but the standard library, unless its arguments are unusual."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edge.tools.receive.start import plain_options


@pytest.fixture
def station(tmp_path: Path) -> Path:
    path = tmp_path / "station.toml"
    path.write_text('state_folder = "state"\n')
    return path


def test_the_arguments_of_a_forced_command_are_understood(station: Path) -> None:
    assert plain_options(["--station", str(station)]) == {"station": station}
    both = ["--keys", "/k", "--station", str(station)]
    assert plain_options(both) == {"station": station, "keys": Path("/k")}


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--station"], ["--station=x"], ["--stations", "x"], ["--station", "/not/there"], ["x", "y"]],
)
def test_all_else_is_left_to_the_command_line_proper(arguments: list[str]) -> None:
    assert plain_options(arguments) is None


def test_nothing_slow_is_imported_for_an_answer(station: Path) -> None:
    request = station.with_name("request")
    request.write_text(json.dumps({"protocol": 1, "ask": "push", "digest": "0" * 64, "size": 5}) + "\n")
    command = [sys.executable, "-X", "importtime", "-m", "edge", "receive", "--station", str(station)]
    with request.open() as asked:
        run = subprocess.run(command, stdin=asked, capture_output=True, check=False)
    assert json.loads(run.stdout.splitlines()[0]) == {"event": "send", "offset": 0}
    imported = {line.rpartition(b"|")[2].strip().decode() for line in run.stderr.splitlines()}
    assert {"edge.tools.receive.session", "edge.tools.receive.start"} <= imported
    assert not imported & {"typer", "pydantic", "numpy", "cv2", "cryptography", "rich"}
    assert run.returncode == 12


def test_a_station_file_that_is_missing_is_said_in_one_sentence() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "edge", "receive", "--station", "/not/there"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 2
    assert "no such file" in run.stderr
    assert "Traceback" not in run.stderr
