"""Whether people can use the pages who see little, no colours or nothing: every page, small and large, light and dark."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait
from support.axe import grave_findings
from support.browser import WAIT_S, measure, resize, wait_for_text
from support.journal import LABELS, build_journal, record_many
from support.stations import YARD, make_station

from edge.clock import NS_PER_S, SystemClock, VirtualClock
from edge.health.events import HealthEvents
from edge.health.faults import Fault, FaultKind
from edge.health.state import State
from edge.status.snapshot import SeenPurity
from edge.types import Reason
from edge.web.station.pages import PAGES
from edge.web.station.words import STATE_TEXT

ADDRESSES = [page.address for page in PAGES]


@pytest.fixture
def page(serve: Callable[..., Any], tmp_path: Path) -> Any:
    """A station with a past, a bin that is full, and something of everything else."""
    now = SystemClock().wall_time()
    past = VirtualClock(wall_start=now - 3 * 3600)
    journal, events = build_journal(tmp_path, past), HealthEvents()
    record_many(journal, past, range(1, 200))
    for kind in (FaultKind.CAMERA_LOST, FaultKind.HOT):
        fault = Fault(kind, past.now(), "")
        events.raised(fault)
        events.cleared(fault, past.now() + 90 * NS_PER_S)
    for event in events.take():
        journal.record(event)
    journal.close()
    served = serve(SystemClock(), capacity=50)
    for reason in Reason:
        served.station.decide("glass", "glass")
        served.station.decide("trash", "residual", reason, said="")
    served.station.decide("metal", "metal")
    served.station.live.publish_levels({"glass": 20, "metal": 50, "residual": 7}, {"glass": now - 3600})
    served.station.live.publish_purity({"glass": SeenPurity(0.97, 0.87, 0.99, 40, 0, now, unlabelled=3)})
    served.station.live.publish_state(State.DEGRADED, [Fault(FaultKind.BIN_FULL, 0, "metal")])
    return served


def show(chrome: webdriver.Chrome, url: str, width: int, scheme: str = "light") -> None:
    """Load a page and wait until it has asked for all that it shows."""
    resize(chrome, width, 900)
    features = [
        {"name": "prefers-color-scheme", "value": scheme},
        {"name": "prefers-reduced-motion", "value": "reduce"},
    ]
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    chrome.get(url)
    wait_for_text(chrome, "#title", "Running with limits")
    settled = (
        "performance.getEntriesByType('resource').filter((e) => e.name.includes('/api/')).every((e) => e.responseEnd)"
    )
    WebDriverWait(chrome, WAIT_S, poll_frequency=0.1).until(lambda _: measure(chrome, settled))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1400])
@pytest.mark.parametrize("address", ADDRESSES)
def test_axe_finds_nothing_serious(page: Any, browser: webdriver.Chrome, address: str, width: int, scheme: str) -> None:
    show(browser, page.url + address, width, scheme)
    assert grave_findings(browser) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_where_a_person_signs_in(page: Any, browser: webdriver.Chrome, scheme: str) -> None:
    show(browser, page.url, 360, scheme)
    wait_for_text(browser, "#sign-in", "Sign in")
    browser.find_element(By.ID, "sign-in").click()
    WebDriverWait(browser, WAIT_S, poll_frequency=0.1).until(
        lambda _: measure(browser, "document.getElementById('ask-token').open")
    )
    assert grave_findings(browser) == []


@pytest.mark.parametrize("width", [360, 1400])
@pytest.mark.parametrize("address", ADDRESSES)
def test_no_page_is_wider_than_its_screen(page: Any, browser: webdriver.Chrome, address: str, width: int) -> None:
    show(browser, page.url + address, width)
    assert measure(browser, "document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("address", ADDRESSES)
def test_the_colour_of_a_bin_never_stands_without_its_name(page: Any, browser: webdriver.Chrome, address: str) -> None:
    """Nine colours can't all be told apart by people who see two of the three kinds."""
    show(browser, page.url + address, 1400)
    if address in ("/", "/bins"):
        wait_for_text(browser, "#bins", "residual")
    coloured = measure(browser, "[...document.querySelectorAll('[style*=\"--bin:\"]')].map((e) => e.innerText)")
    names = {*(where.name for where in make_station(YARD).bins), *LABELS}
    assert [text for text in coloured if not any(name in text for name in names)] == []
    assert len(coloured) >= 3 or address not in ("/", "/bins")


def test_each_tone_of_a_state_has_a_sign_and_each_state_a_name_of_its_own(page: Any, browser: webdriver.Chrome) -> None:
    show(browser, page.url, 1400)
    signs, titles = {}, []
    for state, text in STATE_TEXT.items():
        page.station.live.publish_state(state)
        wait_for_text(browser, "#title", text.title)
        signs[text.tone] = measure(browser, "document.getElementById('sign').innerText")
        titles.append(text.title)
    assert len(set(signs.values())) == len(signs) == 5
    assert len(set(titles)) == len(State)


def test_axe_would_find_a_picture_without_a_text_and_a_button_without_a_name(
    page: Any, browser: webdriver.Chrome
) -> None:
    show(browser, page.url, 1400)
    browser.execute_script("document.getElementById('main').append(new Image(9, 9), document.createElement('button'))")
    assert {finding.split()[0] for finding in grave_findings(browser)} == {"image-alt", "button-name"}
