"""A person stops a running station from another process or on its page, and nothing but a person lets it go on."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from support.page import sign_in
from support.running import AT_MOST_S, WELL, running
from typer.testing import CliRunner

from edge.cli import root
from edge.errors import ControlError
from edge.health.state import State
from edge.journal.reading import EventRecord, Query, read_all
from edge.station.stops.control import NAME, ask


def sorter(*words: str) -> str:
    result = CliRunner().invoke(root, list(words), catch_exceptions=False)
    assert result.exit_code == 0
    return " ".join(result.stdout.split())


def test_pause_holds_everything_over_a_restart_and_resume_ends_it(tmp_path: Path) -> None:
    with running(tmp_path) as station:
        station.wait_for(*WELL)
        assert station.belt_runs
        assert sorter("pause", "--state-folder", str(tmp_path)).startswith("Stopped: belt and actuators are held")
        assert station.station.health.state is State.STOPPED
        assert station.station.schedule.inhibited
        assert not station.belt_runs
    with running(tmp_path) as station:
        station.wait_for(State.STOPPED)
        assert not station.belt_runs
        assert sorter("resume", "--state-folder", str(tmp_path)) == "Resumed."
        station.wait_for(*WELL)
    with running(tmp_path) as station:
        station.wait_for(*WELL)
    events = [row for row in read_all(tmp_path / "journal.db", EventRecord, Query()) if row.kind in ("pause", "resume")]
    me = re.escape(os.environ.get("USER") or "root")
    assert [row.kind for row in events] == ["pause", "pause", "resume"]
    assert re.fullmatch(rf"Stopped by (\S+|{me}.*)\.", events[0].text)
    assert "before the restart" in events[1].text


def test_the_page_stops_it_and_says_who_did(tmp_path: Path) -> None:
    with running(tmp_path) as station, httpx.Client(base_url=station.url) as web:
        station.wait_for(*WELL)
        assert web.post("/pause", json={}).status_code == 401
        assert station.station.health.state is not State.STOPPED
        sign_in(web, tmp_path)
        assert web.post("/pause", json={}).status_code == 200
        station.wait_for(State.STOPPED)
        status = web.get("/api/status").json()
        assert (status["state"]["code"], status["paused"]) == ("stopped", True)
        assert status["stopped_by"] == "127.0.0.1 on the page"
        assert web.post("/resume", json={}).status_code == 200
        station.wait_for(*WELL)


def test_a_script_stops_it_with_the_token_alone(tmp_path: Path) -> None:
    with running(tmp_path) as station:
        station.wait_for(*WELL)
        token = sorter("token", "--state-folder", str(tmp_path))
        assert (tmp_path / "page-token").stat().st_mode & 0o777 == 0o600
        for wrong in (f"Bearer {token}a", f"Basic {token}", "Bearer", ""):
            headers = {"Authorization": wrong}
            assert httpx.post(f"{station.url}/pause", json={}, headers=headers).status_code in (401, 403)
        right = {"Authorization": f"Bearer {token}"}
        assert httpx.post(f"{station.url}/pause", json={}, headers=right).status_code == 200
        station.wait_for(State.STOPPED)


def test_without_the_setting_the_page_only_shows(tmp_path: Path) -> None:
    with running(tmp_path, page={"controls": False}) as station, httpx.Client(base_url=station.url) as web:
        station.wait_for(*WELL)
        assert 'data-controls=""' in web.get("/").text
        sign_in(web, tmp_path)
        assert web.post("/pause", json={}).status_code == 405


def test_a_crash_does_not_undo_a_person_s_stop(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edge", "run", "--demo", "--port", "0", "--state-folder", str(tmp_path)]
    for attempt in range(2):
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as demo:
            try:
                assert demo.stdout is not None
                for line in demo.stdout:
                    if "-> running" in line or "-> stopped" in line:
                        break
                if attempt == 0:
                    assert ask(tmp_path, "pause").startswith("Stopped")
                else:
                    assert "-> stopped" in line
            finally:
                demo.send_signal(signal.SIGKILL)


def test_nobody_there_is_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ControlError, match=r"no sorter is running here.*systemctl"):
        ask(tmp_path, "pause")
    with pytest.raises(ControlError, match="no sorter is running here"):
        ask(tmp_path / "nowhere", "pause")
    (tmp_path / NAME).write_text("no socket")
    with pytest.raises(ControlError, match="expected a socket"):
        ask(tmp_path, "pause")


def test_what_is_left_of_a_killed_station_is_no_station(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / NAME))
    with pytest.raises(ControlError, match="no sorter is running here"):
        ask(tmp_path, "pause")
    with running(tmp_path) as station:
        station.wait_for(*WELL)
        assert ask(tmp_path, "pause").startswith("Stopped")


def test_nonsense_and_silence_change_nothing_and_block_nobody(tmp_path: Path) -> None:
    with running(tmp_path) as station:
        station.wait_for(*WELL)
        for sent in (b"", b"\n", b"stop\n", b"pause", b"pause \x1b[31m\n", b"pause " + b"a" * 5000 + b"\n", b"\xff\n"):
            with socket.socket(socket.AF_UNIX) as asking:
                asking.connect(str(tmp_path / NAME))
                asking.sendall(sent)
                asking.shutdown(socket.SHUT_WR)
                with suppress(ConnectionResetError):
                    assert asking.recv(100) == b""
        with socket.socket(socket.AF_UNIX) as silent:
            silent.connect(str(tmp_path / NAME))
            assert station.station.health.state in WELL
            assert ask(tmp_path, "pause").startswith("Stopped")


def test_a_folder_whose_path_is_long_can_be_asked_too(tmp_path: Path) -> None:
    folder = tmp_path / ("a" * 120)
    with running(folder) as station:
        station.wait_for(*WELL)
        assert ask(folder, "pause").startswith("Stopped")


def test_the_demo_says_a_link_that_signs_in_and_how_to_teach_it_a_label(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edge", "run", "--demo", "--port", "0", "--state-folder", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as demo:
        try:
            assert demo.stdout is not None
            link = next(line for line in demo.stdout if "#token=" in line).split()[-1]
            assert "sorter teach --demo" in next(demo.stdout)
            url, _, token = link.partition("#token=")
            assert httpx.post(f"{url}sign-in", json={"token": token}, timeout=AT_MOST_S).status_code == 200
        finally:
            demo.send_signal(signal.SIGTERM)
