"""What a person does on the page, in a real Chromium."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait
from support.browser import CONTRAST, WAIT_S, measure, wait_for_text

from edge.clock import SystemClock
from edge.health.faults import Fault, FaultKind
from edge.health.state import State
from edge.web.station.app import MAX_STREAMS_PER_ADDRESS
from edge.web.station.token import make_token, read_token

pytestmark = pytest.mark.realtime


@pytest.fixture
def page(serve: Callable[..., Any]) -> Any:
    return serve(SystemClock())


def wait_until(chrome: webdriver.Chrome, expression: str) -> None:
    WebDriverWait(chrome, WAIT_S, poll_frequency=0.05).until(lambda _: measure(chrome, expression))


def test_a_link_with_the_token_signs_in_and_leaves_no_token_in_the_address(
    page: Any, browser: webdriver.Chrome
) -> None:
    browser.get(f"{page.url}/#token={read_token(page.station.folder)}")
    wait_for_text(browser, "#sign-in", "Sign out")
    assert measure(browser, "location.href") == f"{page.url}/"
    browser.find_element(By.ID, "control").click()
    wait_for_text(browser, "#title", "Stopped")
    assert page.station.pressed == [("pause", "127.0.0.1 on the page")]
    browser.get(page.url)
    wait_for_text(browser, "#sign-in", "Sign out")
    browser.find_element(By.ID, "sign-in").click()
    wait_for_text(browser, "#sign-in", "Sign in")


def test_a_link_with_a_wrong_token_is_told_so_and_leaves_none_in_the_address_either(
    page: Any, chromium: webdriver.Chrome
) -> None:
    for wrong in ("wrong", "%"):
        chromium.get("about:blank")
        chromium.get(f"{page.url}/#token={wrong}")
        wait_for_text(chromium, "#told", "This is not the station's token")
        assert measure(chromium, "location.href") == f"{page.url}/"
        wait_for_text(chromium, "#sign-in", "Sign in")
    chromium.find_element(By.CSS_SELECTOR, "#tell .yes").click()
    measure(chromium, "(location.hash = '#token=again')")
    wait_until(chromium, "document.getElementById('tell').open && location.hash === ''")
    chromium.find_element(By.CSS_SELECTOR, "#tell .yes").click()
    measure(chromium, f"(location.hash = '#token={read_token(page.station.folder)}')")
    wait_for_text(chromium, "#sign-in", "Sign out")
    assert measure(chromium, "location.href") == f"{page.url}/"


def test_whoever_finds_no_place_to_be_told_sees_the_same_and_can_stop_the_station(
    serve: Callable[..., Any], chromium: webdriver.Chrome
) -> None:
    page = serve(SystemClock(), origin=lambda _: "192.0.2.9")
    with ExitStack() as others, httpx.Client(base_url=page.url, timeout=30) as web:
        streams = [others.enter_context(web.stream("GET", "/events")) for _ in range(MAX_STREAMS_PER_ADDRESS)]
        assert [stream.status_code for stream in streams] == [200] * MAX_STREAMS_PER_ADDRESS
        assert web.get("/events").status_code == 503
        chromium.get(f"{page.url}/#token={read_token(page.station.folder)}")
        wait_for_text(chromium, "#title", "Running")
        wait_for_text(chromium, "#sign-in", "Sign out")
        page.station.decide("glass", "glass")
        wait_for_text(chromium, "#items li:first-child", "glass 97\u00a0%\n→ glass")
        chromium.find_element(By.ID, "control").click()
        wait_for_text(chromium, "#title", "Stopped")
        wait_for_text(chromium, "#control", "Resume sorting")
    assert page.station.pressed == [("pause", "127.0.0.1 on the page")]


def test_the_station_can_be_stopped_before_it_has_told_anything(page: Any, chromium: webdriver.Chrome) -> None:
    chromium.execute_cdp_cmd("Network.setBlockedURLs", {"urls": ["*/events", "*/api/status"]})
    try:
        chromium.get(f"{page.url}/#token={read_token(page.station.folder)}")
        wait_for_text(chromium, "#sign-in", "Sign out")
        wait_for_text(chromium, "#title", "No connection")
        chromium.find_element(By.ID, "control").click()
        WebDriverWait(chromium, WAIT_S, poll_frequency=0.05).until(lambda _: page.station.pressed)
    finally:
        chromium.execute_cdp_cmd("Network.setBlockedURLs", {"urls": []})
    assert page.station.pressed == [("pause", "127.0.0.1 on the page")]


def test_who_did_not_sign_in_is_asked_for_the_token_and_then_for_a_confirmation(
    page: Any, browser: webdriver.Chrome
) -> None:
    page.station.press("pause", "the test")
    browser.get(page.url)
    wait_for_text(browser, "#control", "Resume sorting")
    browser.find_element(By.ID, "control").send_keys(Keys.ENTER)
    wait_until(browser, "document.getElementById('ask-token').open")
    assert browser.execute_script(CONTRAST) == []
    browser.switch_to.active_element.send_keys(read_token(page.station.folder), Keys.ENTER)
    wait_for_text(browser, "#question", "Is everybody clear of belt and diverters?")
    assert measure(browser, "document.activeElement.className") == "no"  # Enter alone starts no belt
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    wait_until(browser, "!document.getElementById('ask').open")
    assert page.station.pressed[1:] == []
    browser.find_element(By.ID, "control").send_keys(Keys.ENTER)
    wait_until(browser, "document.getElementById('ask').open")
    browser.switch_to.active_element.send_keys(Keys.SHIFT, Keys.TAB)
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    wait_for_text(browser, "#title", "Running")
    assert page.station.pressed[1:] == [("resume", "127.0.0.1 on the page")]


def test_a_wrong_token_is_told_and_escape_gives_up(page: Any, chromium: webdriver.Chrome) -> None:
    chromium.get(page.url)
    wait_for_text(chromium, "#sign-in", "Sign in")
    chromium.find_element(By.ID, "sign-in").click()
    wait_until(chromium, "document.getElementById('ask-token').open")
    chromium.switch_to.active_element.send_keys("abcd", Keys.ENTER)
    wait_for_text(chromium, "#token-problem", "This is not the station's token")
    chromium.switch_to.active_element.send_keys(Keys.ESCAPE)
    wait_until(chromium, "!document.getElementById('ask-token').open")
    assert page.station.pressed == []


def confirm(chrome: webdriver.Chrome, question: str) -> None:
    wait_for_text(chrome, "#question", question)
    chrome.find_element(By.CSS_SELECTOR, "#ask .yes").click()
    wait_until(chrome, "!document.getElementById('ask').open")


def test_a_fault_that_a_person_ends_has_the_button_for_it(page: Any, browser: webdriver.Chrome) -> None:
    faults = [Fault(FaultKind.BIN_FULL, 0, "glass"), Fault(FaultKind.JAM, 0, "metal"), Fault(FaultKind.HOT, 0, "")]
    page.station.live.publish_state(State.DEGRADED, faults)
    browser.get(f"{page.url}/#token={read_token(page.station.folder)}")
    wait_for_text(browser, "#faults", "The bin was emptied")
    wait_for_text(browser, "#sign-in", "Sign out")
    assert [button.text for button in browser.find_elements(By.CSS_SELECTOR, "#faults button")] == [
        "The bin was emptied",
        "It is fixed",
    ]
    browser.find_elements(By.CSS_SELECTOR, "#faults button")[1].click()
    confirm(browser, "Is it fixed, and is everybody clear?")
    wait_until(browser, "document.getElementById('faults').hidden")  # "Running with limits" has the word too
    page.station.live.publish_state(State.DEGRADED, faults[:1])
    wait_for_text(browser, "#faults", "The bin was emptied")
    browser.find_element(By.CSS_SELECTOR, "#faults button").click()
    confirm(browser, "Was the bin glass emptied?")
    wait_until(browser, "document.getElementById('faults').hidden")
    assert [what for what, _ in page.station.pressed] == ["reset", "empty glass"]


def test_bins_are_emptied_and_diverters_moved_on_their_page(page: Any, chromium: webdriver.Chrome) -> None:
    chromium.get(f"{page.url}/bins#token={read_token(page.station.folder)}")
    wait_for_text(chromium, "#bins", "Move it once")
    wait_for_text(chromium, "#sign-in", "Sign out")
    emptied, jog = chromium.find_elements(By.CSS_SELECTOR, "#bins li:first-child .acts button")
    emptied.click()
    confirm(chromium, "Was the bin glass emptied?")
    wait_until(chromium, "!document.querySelector('#bins .acts button').disabled")
    assert page.station.pressed == [("empty glass", "127.0.0.1 on the page")]
    jog.click()
    confirm(chromium, "Are all hands clear of flap-glass?")
    wait_for_text(chromium, "#told", "only while sorting is stopped")
    chromium.find_element(By.CSS_SELECTOR, "#tell .yes").click()
    chromium.find_element(By.ID, "control").click()
    wait_for_text(chromium, "#title", "Stopped")
    jog.click()
    confirm(chromium, "Are all hands clear of flap-glass?")
    wait_for_text(chromium, "#bins li:first-child [role=status]", "It moved.")
    assert not measure(chromium, "document.getElementById('tell').open")


def test_a_session_that_is_over_is_begun_anew_before_anything_is_done(page: Any, chromium: webdriver.Chrome) -> None:
    chromium.get(f"{page.url}/#token={read_token(page.station.folder)}")
    wait_for_text(chromium, "#sign-in", "Sign out")
    token = make_token(page.station.folder)
    assert httpx.post(f"{page.url}/sign-in", json={"token": token}).status_code == 200  # the page knows of the new one
    chromium.find_element(By.ID, "control").click()
    wait_until(chromium, "document.getElementById('ask-token').open")
    assert page.station.pressed == []
    chromium.switch_to.active_element.send_keys(token, Keys.ENTER)
    wait_for_text(chromium, "#title", "Stopped")
    assert page.station.pressed == [("pause", "127.0.0.1 on the page")]
