"""A station is taught from its page while it runs: things are shown, a head is learnt, installed, and taken to work."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from selenium import webdriver
from selenium.webdriver.support.wait import WebDriverWait
from support.browser import CONTRAST, WAIT_S, measure, resize, wait_for_text
from support.drawn_place import HERE, show_pictures, write_place_station, write_running_place
from support.page import sign_in
from support.processes import has_ended
from support.running import WELL, Running, running
from typer.testing import CliRunner

from edge.cli import root
from edge.health.state import State
from edge.journal.reading import EventRecord, Query, read_all
from edge.station.stops.control import ask
from edge.teaching.shown import ShownItems
from edge.web.station.token import read_token

pytestmark = pytest.mark.realtime

RUN_PIN = 21
ITS_OWN = {"belt": {"run_pin": RUN_PIN}, "page": {"enabled": True, "port": 0}}
SHOWN_BEFORE = 5
BEFORE_RESTART = "a person before the restart"


class TaughtStation:
    """A running station whose things are plain colours, most of which were shown to it before."""

    def __init__(self, folder: Path, running_station: Running) -> None:
        self.folder, self.running = folder, running_station
        self.shown = ShownItems(folder / "state")

    def count(self, label: str) -> int:
        return len(self.shown.items(label))

    @property
    def outputs(self) -> list[bool]:
        """The levels of all pins that move something but the belt."""
        built = self.running.station
        return [
            bool(built.environment.pins.pin(pin).state) for a in built.settings.actuators for pin in a.pins().values()
        ]


@pytest.fixture
def station(tmp_path: Path, tiny_bundle: Callable[..., bytes]) -> Iterator[TaughtStation]:
    file = write_running_place(tmp_path, tiny_bundle, **ITS_OWN)
    for label in HERE:
        show_pictures(ShownItems(tmp_path / "state"), label, SHOWN_BEFORE)
    with running(tmp_path / "state", file) as run:
        run.wait_for(*WELL)
        yield TaughtStation(tmp_path, run)


def until(chrome: webdriver.Chrome, holds: Callable[[], Any]) -> None:
    WebDriverWait(chrome, 2 * WAIT_S, poll_frequency=0.05).until(lambda _: holds())


def click(chrome: webdriver.Chrome, selector: str) -> None:
    # In one step: lists are made anew when what they show changes.
    enabled = "const found = document.querySelector(arguments[0]); if (!found || found.disabled) return false; found.click(); return true;"
    until(chrome, lambda: chrome.execute_script(enabled, selector))


def agree(chrome: webdriver.Chrome, question: str) -> None:
    wait_for_text(chrome, "#question", question)
    click(chrome, "#ask .yes")


def test_three_labels_are_shown_learnt_and_installed_and_the_station_changes_over(
    station: TaughtStation, browser: webdriver.Chrome
) -> None:
    browser.get(f"{station.running.url}/teach#token={read_token(station.folder / 'state')}")
    wait_for_text(browser, "#sign-in", "Sign out")
    click(browser, "[data-label=paper] .show")
    agree(browser, "The belt runs, the diverters stay where they are.")
    wait_for_text(browser, "#title", "Being taught")
    wait_for_text(browser, "#meaning", "The belt runs, nothing is sorted. Taught by: 127.0.0.1 on the page.")
    wait_for_text(browser, "#asked", "paper")
    until(browser, lambda: station.count("paper") > SHOWN_BEFORE)
    assert station.running.belt_runs
    assert not any(station.outputs)
    wait_for_text(browser, "#recent", "paper")
    until(browser, lambda: measure(browser, "document.querySelector('#recent img').naturalWidth") == 32)

    last = measure(browser, "document.querySelector('#recent img').src")
    click(browser, "#undo")
    until(
        browser, lambda: last not in measure(browser, "[...document.querySelectorAll('#recent img')].map((e) => e.src)")
    )
    until(browser, lambda: station.count("paper") > SHOWN_BEFORE)

    write_place_station(station.folder, tuple(HERE), **ITS_OWN)  # a person adds a bin for cups
    click(browser, "[data-label=cup] .show")
    until(browser, lambda: station.count("cup") > SHOWN_BEFORE)
    click(browser, "[data-label=metal] .show")
    until(browser, lambda: station.count("metal") > SHOWN_BEFORE)
    click(browser, "#end")
    wait_for_text(browser, "#labels [data-label=metal] .count", f"{station.count('metal')} shown")
    until(browser, lambda: not station.running.belt_runs)
    assert station.running.station.health.state is State.STOPPED

    click(browser, "#learn")
    wait_for_text(browser, "#rows", "cup")
    wait_for_text(browser, "#rows", "all")
    wait_for_text(browser, "#report", "so there may be fewer than were shown")
    assert browser.execute_script(CONTRAST) == []
    resize(browser, 360, 740)
    assert measure(browser, "document.documentElement.scrollWidth") <= 360
    before = station.running.station.slot.model.digest
    click(browser, "#install")
    agree(browser, "The station changes over by itself")
    wait_for_text(browser, "#heads", "2.0+belt.1")
    wait_for_text(browser, "#heads", "at work")
    until(browser, lambda: station.running.station.slot.model.version == "2.0+belt.1")
    assert station.running.station.slot.model.digest != before
    journal = station.folder / "state" / "journal.db"
    until(browser, lambda: any(" was installed by 127." in e.text for e in read_all(journal, EventRecord, Query())))
    click(browser, "#control")
    agree(browser, "Is everybody clear of belt and diverters?")
    station.running.wait_for(*WELL)
    click(browser, "#back button")
    agree(browser, "from tiny-2.0+belt.1 to tiny-2.0?")
    until(browser, lambda: station.running.station.slot.model.digest == before)


def test_only_who_signed_in_teaches_and_who_is_gone_teaches_no_longer(station: TaughtStation) -> None:
    with httpx.Client(base_url=station.running.url) as web:
        for action in ("begin", "choose", "undo", "end", "learn", "install", "forget"):
            assert web.post(f"/teach/{action}", json={"label": "paper"}).status_code == 401
            assert web.get(f"/teach/{action}").status_code in (404, 405)
        assert station.running.station.health.state in WELL
        sign_in(web, station.folder / "state")
        assert web.post("/teach/begin", json={"label": "no such"}).status_code == 409
        assert web.post("/teach/begin", json={"name": "paper"}).status_code == 400
        assert web.post("/teach/begin", json={"label": "paper"}).json()["teacher"] == "127.0.0.1 on the page"
        while web.get("/api/teach").json()["teacher"]:
            pass  # a look without the mark is no sign of life
        assert "was gone" in web.get("/api/teach").json()["told"]
        station.running.wait_for(State.STOPPED)
        assert not station.running.belt_runs


def test_what_sorter_pause_answers_is_true_of_the_belt_while_the_station_is_taught(station: TaughtStation) -> None:
    with httpx.Client(base_url=station.running.url) as web:
        sign_in(web, station.folder / "state")
        mark = web.post("/teach/begin", json={"label": "paper"}).json()["mark"]
        while station.count("paper") == SHOWN_BEFORE:
            web.get("/api/teach", params={"mark": mark})
        assert station.running.belt_runs
        assert ask(station.folder / "state", "pause", "bob").startswith("Stopped: belt and actuators are held")
        assert not station.running.belt_runs
        assert station.running.station.health.hold.paused_by == "bob (as root)"
        while web.get("/api/teach", params={"mark": mark}).json()["leads"]:
            pass
        assert web.post("/teach/begin", json={"label": "paper"}).status_code == 409
        assert not station.running.belt_runs


def test_the_banner_says_who_teaches_and_its_button_stops_the_belt(
    station: TaughtStation, browser: webdriver.Chrome
) -> None:
    state = station.folder / "state"
    browser.get(f"{station.running.url}/#token={read_token(state)}")  # any page, and not the one that leads
    wait_for_text(browser, "#sign-in", "Sign out")
    with httpx.Client(base_url=station.running.url) as web:
        sign_in(web, state)
        assert web.post("/teach/begin", json={"label": "paper"}).json()["showing"] == "paper"
        wait_for_text(browser, "#title", "Being taught")
        wait_for_text(browser, "#meaning", "The belt runs, nothing is sorted. Taught by: 127.0.0.1 on the page.")
        wait_for_text(browser, "#control", "Stop")
        for path, body in (("learn", {}), ("install", {"digest": ""}), ("forget", {"label": "paper", "mark": "no"})):
            answer = web.post(f"/teach/{path}", json=body)  # from the very address of who leads
            assert (answer.status_code, answer.text) == (409, "127.0.0.1 on the page teaches it now\n")
        assert station.count("paper") >= SHOWN_BEFORE
        told = CliRunner().invoke(root, ["status", "--state-folder", str(state)], catch_exceptions=False).output
        assert "The belt runs, nothing is sorted. Taught by: 127.0.0.1 on the page." in " ".join(told.split())
        status = web.get("/api/status").json()
        assert (status["taught_by"], status["stopped_by"], status["paused"]) == ("127.0.0.1 on the page", "", False)
        click(browser, "#control")
        wait_for_text(browser, "#title", "Stopped")
        wait_for_text(browser, "#control", "Resume sorting")
        assert not station.running.belt_runs
        status = web.get("/api/status").json()
        assert (status["taught_by"], status["stopped_by"], status["paused"]) == ("", "127.0.0.1 on the page", True)


@contextmanager
def run_by_itself(file: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a station as a person does; give its process and its page's address."""
    command = [sys.executable, "-m", "edge", "run", "--station", str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        url = ""
        try:
            for line in process.stdout:
                url = match[1] if (match := re.match(r"page: (\S+)", line)) else url
                if "-> running" in line or "-> stopped" in line:
                    break
            yield process, url
        finally:
            process.kill()


def children(process: int) -> list[int]:
    tasks = Path(f"/proc/{process}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def test_a_killed_station_loses_nothing_that_it_had_counted_and_leaves_nobody_learning(
    tmp_path: Path, tiny_bundle: Callable[..., bytes]
) -> None:
    file, state = write_running_place(tmp_path, tiny_bundle, **ITS_OWN), tmp_path / "state"
    for label in ("paper", "metal"):
        show_pictures(ShownItems(state), label, SHOWN_BEFORE)
    with run_by_itself(file) as (process, url), httpx.Client(base_url=url) as web:
        sign_in(web, state)
        answer = web.post("/teach/begin", json={"label": "paper"}).json()
        mark, counted = answer["mark"], 0
        while counted < SHOWN_BEFORE + 2:
            told = web.get("/api/teach", params={"mark": mark}).json()
            counted = {one["label"]: one["items"] for one in told["labels"]}["paper"]
        before = children(process.pid)
        assert web.post("/teach/learn", json={"mark": mark}).json()["task"] == "learn"
        learning = set(children(process.pid)) - set(before)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert len(learning) == 1
        assert has_ended(learning.pop(), 10)
    assert len(ShownItems(state).items("paper")) >= counted
    with run_by_itself(file) as (_, url), httpx.Client(base_url=url) as web:
        sign_in(web, state)
        assert web.get("/api/status").json()["state"]["code"] == "stopped"
        while "as it is now" in (refused := web.post("/teach/begin", json={"label": "metal"})).text:
            pass  # no picture came yet
        assert (refused.status_code, refused.text) == (409, f"{BEFORE_RESTART} stopped the station: resume it first\n")
        web.post("/resume", json={})
        assert web.post("/teach/begin", json={"label": "metal"}).json()["showing"] == "metal"
