"""The page of the station's health: what the journal tells of its faults, and what is told of machine, camera and model."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait
from support.browser import WAIT_S, measure, resize, wait_for_text
from support.journal import build_journal

from edge.clock import NS_PER_S, SystemClock, VirtualClock
from edge.health.drift import Appearance
from edge.health.events import HealthEvents
from edge.health.faults import Fault, FaultKind
from edge.health.monitors.machine import MachineState
from edge.models.records import Evidence
from edge.models.store import ModelStore
from edge.web.station import health
from edge.web.station.history import read_history
from edge.web.station.token import read_token

JOURNAL = "journal.db"
MINUTE = 60 * NS_PER_S
DAY = 24 * 60 * MINUTE


class Diary:
    """Writes the journals of a station's runs, fault by fault, as the station does."""

    def __init__(self, folder: Path, clock: VirtualClock) -> None:
        self.folder, self.clock = folder, clock
        self.events = HealthEvents()

    def run(self, name: str, *happened: tuple[FaultKind, str, float | None]) -> None:
        """One run: each fault lasts that many minutes, None: to the end of the run; an hour lies between two of them."""
        journal = build_journal(self.folder, self.clock, run_id=name)
        for kind, detail, minutes in happened:
            fault = Fault(kind, self.clock.now(), detail)
            self.events.raised(fault)
            if minutes is not None:
                self.clock.advance_to(self.clock.now() + round(minutes * MINUTE))
                self.events.cleared(fault, self.clock.now())
            for event in self.events.take():
                journal.record(event)
            self.clock.advance_to(self.clock.now() + 60 * MINUTE)
        journal.close()


@pytest.fixture
def diary(tmp_path: Path) -> Diary:
    return Diary(tmp_path, VirtualClock())


def told(folder: Path) -> list[tuple[str, str, float | None]]:
    return [(fault.event.code, fault.detail, fault.seconds) for fault in read_history(folder / "journal.db")]


def test_each_fault_is_told_with_how_long_it_stayed_newest_first(tmp_path: Path, diary: Diary) -> None:
    diary.run("run-1", (FaultKind.CAMERA_LOST, "", 2), (FaultKind.BIN_FULL, "glass", 30), (FaultKind.HOT, "", None))
    assert told(tmp_path) == [("hot", "", None), ("bin-full", "glass", 1800.0), ("camera-lost", "", 120.0)]


def test_faults_of_one_kind_end_each_for_itself(tmp_path: Path, diary: Diary) -> None:
    journal = build_journal(tmp_path, diary.clock)
    glass, metal = (Fault(FaultKind.BIN_FULL, diary.clock.now(), name) for name in ("glass", "metal"))
    diary.events.raised(glass)
    diary.events.raised(metal)
    diary.events.cleared(glass, diary.clock.now() + MINUTE)
    for event in diary.events.take():
        journal.record(event)
    journal.close()
    assert told(tmp_path) == [("bin-full", "metal", None), ("bin-full", "glass", 60.0)]


def test_what_is_older_than_a_week_is_left_out(tmp_path: Path, diary: Diary) -> None:
    diary.run("run-1", (FaultKind.CAMERA_LOST, "", 2))
    diary.clock.advance_to(diary.clock.now() + 8 * DAY)
    diary.run("run-2", (FaultKind.HOT, "", 5))
    assert told(tmp_path) == [("hot", "", 300.0)]


def test_only_what_this_run_left_open_is_there_still(serve: Callable[..., Any], tmp_path: Path, diary: Diary) -> None:
    diary.run("run-1", (FaultKind.CAMERA_LOST, "", None))
    page = serve(diary.clock)
    diary.run("run-2", (FaultKind.HOT, "", None))
    faults = httpx.get(page.url + "/api/health", timeout=10).json()["history"]["faults"]
    assert [(fault["code"], fault["is_there"]) for fault in faults] == [("hot", True), ("camera-lost", False)]


def test_a_journal_that_can_not_be_read_is_said_to_be_so(serve: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / JOURNAL).write_bytes(b"no journal at all")
    page = serve(SystemClock())
    history = httpx.get(page.url + "/api/health", timeout=10).json()["history"]
    assert history["faults"] == []
    assert JOURNAL in history["unreadable"]


@pytest.mark.parametrize("width", [360, 1400])
def test_the_page_tells_it_in_words(
    serve: Callable[..., Any], tmp_path: Path, browser: webdriver.Chrome, width: int
) -> None:
    clock = SystemClock()
    page = serve(clock)
    journal, events = build_journal(tmp_path, clock), HealthEvents()
    ended, there = (Fault(kind, clock.now(), "") for kind in (FaultKind.CAMERA_LOST, FaultKind.HOT))
    events.raised(ended)
    events.cleared(ended, clock.now() + 3 * MINUTE)
    events.raised(there)
    for event in events.take():
        journal.record(event)
    journal.close()
    page.station.decide("glass", "glass")
    page.station.live.publish_machine(
        MachineState(81.0, throttled=True, under_voltage=False, memory_available_mb=740.0)
    )
    page.station.live.publish_appearance(Appearance(-0.31, -0.52))
    resize(browser, width, 900)
    browser.get(page.url + "/health")
    wait_for_text(browser, "#machine", "81 °C")
    wait_for_text(browser, "#machine", "740 MB free")
    wait_for_text(browser, "#camera", "31\u00a0% darker than at first")
    wait_for_text(browser, "#camera", "items are 52\u00a0% less sharp than at first")
    wait_for_text(browser, "#camera", "12 ms")
    wait_for_text(browser, "#model", "waste 1.0")
    wait_for_text(browser, "#model", "this station was never calibrated")
    present, past = browser.find_elements(By.CSS_SELECTOR, "#past-rows tr")
    assert "still there" in present.text
    assert "3 min" in past.text
    bad = [element.text for element in browser.find_elements(By.CSS_SELECTOR, ".facts .bad")]
    assert bad[0] == "81 °C"
    assert measure(browser, "document.documentElement.scrollWidth") <= width


def install(folder: Path, *contents: bytes) -> None:
    """Put models with these contents into the station's store, the last at work."""
    store = ModelStore(folder / "models")
    for number, content in enumerate(contents, start=1):
        evidence = Evidence(
            digest=hashlib.sha256(content).hexdigest(), title=f"waste-{number}.0", name="waste", version=f"{number}.0",
            labels=("glass",), size=len(content), signer="maker", milliseconds=9.0, golden_steps=0, runtime="litert",
            installed=f"2026-05-0{number}T12:00:00+00:00",
        )  # fmt: skip
        store.add(content, evidence)
        store.activate(evidence.digest, "test", evidence.installed)


def test_the_model_before_is_a_button_away_where_there_is_one(
    serve: Callable[..., Any], tmp_path: Path, browser: webdriver.Chrome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "KEEP_MS", 100.0)
    page = serve(SystemClock())
    install(tmp_path, b"first")
    browser.get(f"{page.url}/health#token={read_token(page.station.folder)}")
    wait_for_text(browser, "#model", "May 1, 2026")
    assert not browser.find_element(By.ID, "model-acts").is_displayed()
    install(tmp_path, b"first", b"second")
    wait_for_text(browser, "#model", "May 2, 2026")
    wait_for_text(browser, "#model", "Signed by\nmaker")
    browser.find_element(By.CSS_SELECTOR, "#model-acts button").click()
    wait_for_text(browser, "#question", "Go back from waste-2.0 to waste-1.0?")
    browser.find_element(By.CSS_SELECTOR, "#ask .yes").click()
    WebDriverWait(browser, WAIT_S, poll_frequency=0.05).until(lambda _: page.station.pressed)
    assert page.station.pressed == [("roll back from 7", "127.0.0.1 on the page")]
