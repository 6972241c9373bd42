"""Another process asks a running station how it is: once with `sorter status`, live with `sorter top`."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pexpect
import pytest
from support.running import AT_MOST_S, WELL, running
from typer.testing import CliRunner, Result

from edge.cli import root
from edge.cli.commands.status import EXIT_CODES
from edge.errors import OTHER_EXIT_CODES, ConfigError, ControlError
from edge.health.faults import SPECS, FaultKind
from edge.health.state import INHIBITED_STATES, State
from edge.station.stops.control import NAME, ask

NO_PAGE = {"enabled": False}


def status(folder: Path, *options: str) -> Result:
    return CliRunner().invoke(root, ["status", "--state-folder", str(folder), *options])


def test_a_station_without_a_page_tells_how_it_is_and_the_exit_code_says_whether_it_sorts(tmp_path: Path) -> None:
    with running(tmp_path, page=NO_PAGE) as station:
        station.wait_for(*WELL)
        told = status(tmp_path)
        assert told.exit_code == 0
        assert "Items are being sorted." in told.stdout or "Waiting for items" in told.stdout
        assert "belt, conveyor (simulated)" in told.stdout
        ask(tmp_path, "pause", "anna")
        told = status(tmp_path)
        assert told.exit_code == 21
        assert told.stdout.startswith("Stopped  belt")
        assert "A person stopped the station." in told.stdout
        ask(tmp_path, "resume")
        station.wait_for(*WELL)
        now = station.station.clock.now()
        station.station.health.raise_fault(FaultKind.EMERGENCY_STOP, now)
        station.wait_for(State.ESTOP)
        told = status(tmp_path)
        assert told.exit_code == 23
        assert SPECS[FaultKind.EMERGENCY_STOP].advice in " ".join(told.stdout.split())


def test_programs_get_json(tmp_path: Path) -> None:
    with running(tmp_path, page=NO_PAGE) as station:
        station.wait_for(*WELL)
        told = json.loads(status(tmp_path, "--json").stdout)
        assert told["station"] == {"name": "belt", "kind": "conveyor", "simulated": True}
        assert told["state"]["code"] in [str(state) for state in WELL]
        assert told["model"]["name"] == "waste"
        assert [where["name"] for where in told["bins"]] == ["glass", "residual"]


def test_every_state_that_does_not_sort_has_an_exit_code_of_its_own() -> None:
    assert set(EXIT_CODES) == {str(state) for state in INHIBITED_STATES}
    assert len(set(EXIT_CODES.values())) == len(EXIT_CODES)
    assert set(EXIT_CODES.values()) <= OTHER_EXIT_CODES.keys()


def test_where_no_station_runs_it_is_said(tmp_path: Path) -> None:
    told = status(tmp_path)
    assert isinstance(told.exception, ControlError)
    assert "no sorter is running here" in str(told.exception)
    assert told.stdout == ""


def test_a_station_that_ended_is_none(tmp_path: Path) -> None:
    with running(tmp_path) as station:
        station.wait_for(*WELL)
        assert status(tmp_path).exit_code == 0
    assert "no sorter is running here" in str(status(tmp_path).exception)


@contextmanager
def impostor(folder: Path, answer: bytes) -> Iterator[None]:
    """Somebody who may write the folder, and answers each who asks with these bytes."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / NAME))
        listening.listen(4)

        def serve() -> None:
            asking, _ = listening.accept()
            with asking:
                asking.recv(100)
                asking.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield
        thread.join(AT_MOST_S)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\n",
        b"null",
        b"[]",
        b"{}",
        b'{"state": {"code": "well"}}',
        b"[" * 100_000,
        b"\xff\xfe",
        b'{"total": 1e999}',
    ],
    ids=["nothing", "a line", "null", "a list", "an empty one", "another state", "deep", "no text", "infinite"],
)
def test_an_answer_that_is_none_ends_in_a_sentence(tmp_path: Path, answer: bytes) -> None:
    with impostor(tmp_path, answer):
        told = status(tmp_path)
    assert isinstance(told.exception, ControlError)
    assert "is it of another version?" in str(told.exception)


def test_what_an_impostor_tells_steers_no_terminal(tmp_path: Path) -> None:
    with running(tmp_path / "real", page=NO_PAGE) as station:
        station.wait_for(*WELL)
        told = CliRunner().invoke(root, ["status", "--json", "--state-folder", str(tmp_path / "real")]).stdout
    forged = json.loads(told) | {"items": [], "model": {"name": "\x1b[2J[red]waste\u202e", "version": "1\n2"}}
    with impostor(tmp_path, json.dumps(forged).encode()):
        shown = status(tmp_path)
    assert shown.exit_code == 0
    assert "\x1b" not in shown.stdout
    assert r"\x1b[2J[red]waste\u202e" in shown.stdout


# -- live ---------------------------------------------------------------------------------------------------------


def top(folder: Path, columns: int = 80, lines: int = 24) -> pexpect.spawn:
    command = ["-m", "edge", "top", "--every", "0.2", "--state-folder", str(folder)]
    environment = os.environ | {"TERM": "xterm-256color"}
    size = (lines, columns)
    return pexpect.spawn(sys.executable, command, dimensions=size, encoding="utf-8", timeout=AT_MOST_S, env=environment)


def ended(screen: pexpect.spawn) -> str:
    """Wait for the end; return what came last."""
    screen.expect(pexpect.EOF)
    screen.close()
    return str(screen.before)


LEFT = "\x1b[?1049l"  # the terminal's own screen is back


@pytest.mark.parametrize("columns", [24, 80, 200])
def test_ctrl_c_ends_the_live_view_cleanly_however_narrow_the_terminal_is(tmp_path: Path, columns: int) -> None:
    with running(tmp_path, page=NO_PAGE) as station:
        station.wait_for(*WELL)
        screen = top(tmp_path, columns, 12)
        screen.expect("glass")
        screen.sendintr()
        assert ended(screen).endswith(LEFT)
        assert (screen.exitstatus, screen.signalstatus) == (0, None)


def test_sigterm_leaves_the_terminal_as_it_was(tmp_path: Path) -> None:
    screen = top(tmp_path)
    screen.expect("No station")
    screen.kill(signal.SIGTERM)
    assert ended(screen).endswith(LEFT)
    assert screen.exitstatus == 128 + signal.SIGTERM


def test_a_terminal_that_was_closed_ends_it(tmp_path: Path) -> None:
    screen = top(tmp_path)
    screen.expect("No station")
    os.close(screen.child_fd)
    _, how = os.waitpid(screen.pid, 0)
    assert os.waitstatus_to_exitcode(how) == 128 + signal.SIGHUP


def test_a_terminal_that_goes_without_a_signal_ends_it_too(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "edge", "top", "--every", "0.2", "--state-folder", str(tmp_path)]
    environment = os.environ | {"TERM": "xterm-256color"}
    # In a session of its own no terminal is its own, so none tells it that it goes.
    screen = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=theirs, env=environment, start_new_session=True)
    os.close(theirs)
    shown = b""
    while b"No station" not in shown:
        shown += os.read(ours, 4096)
    os.close(ours)
    assert screen.wait(AT_MOST_S) == 0


def test_it_waits_for_a_station_that_comes(tmp_path: Path) -> None:
    screen = top(tmp_path)
    screen.expect("No station")
    with running(tmp_path, page=NO_PAGE) as station:
        station.wait_for(*WELL)
        screen.expect("glass")
    screen.expect("No station")
    screen.sendintr()
    ended(screen)
    assert screen.exitstatus == 0


def test_without_a_terminal_it_names_what_to_use(tmp_path: Path) -> None:
    told = CliRunner().invoke(root, ["top", "--state-folder", str(tmp_path)])
    assert isinstance(told.exception, ConfigError)
    assert "sorter status" in str(told.exception)
