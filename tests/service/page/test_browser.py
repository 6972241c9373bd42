"""The page as an operator sees it, in a real Chromium."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait
from support.browser import CONTRAST, WAIT_S, measure, resize, wait_for_text

from edge.clock import SystemClock
from edge.health.faults import Fault, FaultKind
from edge.health.state import State
from edge.status.snapshot import SeenPurity
from edge.types import Reason
from edge.web.station.words import STATE_TEXT

pytestmark = pytest.mark.realtime


@pytest.fixture
def page(serve: Callable[..., Any]) -> Any:
    return serve(SystemClock())


def test_shows_what_was_sorted_and_goes_on_by_itself(page: Any, browser: webdriver.Chrome) -> None:
    page.station.decide("glass", "glass")
    browser.get(page.url)
    wait_for_text(browser, "#title", "Running")
    wait_for_text(browser, "#items li:first-child", "glass 97\u00a0%\n→ glass\ndiverted")
    page.station.decide("metal", "residual", Reason.UNSURE, score=0.41)
    wait_for_text(browser, "#items li:first-child", "metal 41\u00a0%\n→ residual\nThe model was not sure enough.")
    wait_for_text(browser, "#items li:nth-child(2)", "glass")
    wait_for_text(browser, "#bins", "glass\n1\nmetal\n0\nresidual trash\n1")
    wait_for_text(browser, "#reasons", "1\nthe model was not sure enough")
    wait_for_text(browser, "#total", "2")
    assert measure(browser, "document.title") == "Running · yard <3>"


def test_belt_picture_is_live_and_labelled(page: Any, browser: webdriver.Chrome) -> None:
    browser.get(page.url)
    wait_for_text(browser, "#stale", "No picture yet")
    page.station.decide("metal", "metal")
    wait_for_text(browser, "#overlay .box.decided", "metal 97\u00a0%")
    assert measure(browser, "document.getElementById('picture').naturalWidth") == 640
    assert "items in view: 1" in measure(browser, "document.getElementById('picture').alt")
    page.station.show()
    WebDriverWait(browser, WAIT_S, poll_frequency=0.05).until(
        lambda _: measure(browser, "document.querySelectorAll('.box').length") == 0
    )


def test_crops_are_shown(page: Any, browser: webdriver.Chrome) -> None:
    page.station.decide("glass", "glass")
    browser.get(page.url)
    WebDriverWait(browser, WAIT_S, poll_frequency=0.05).until(
        lambda _: measure(browser, "document.querySelector('.card img')?.naturalWidth") == 140 + 2 * (140 // 12)
    )


def test_every_state_is_told_in_words(page: Any, browser: webdriver.Chrome) -> None:
    browser.get(page.url)
    for state, text in STATE_TEXT.items():
        page.station.live.publish_state(state, [])
        wait_for_text(browser, "#title", text.title)
        wait_for_text(browser, "#meaning", text.meaning)
        assert measure(browser, "document.getElementById('banner').dataset.tone") == text.tone


def test_fault_says_what_to_do_and_goes_away(page: Any, browser: webdriver.Chrome) -> None:
    page.station.live.publish_state(State.FAULT, [Fault(FaultKind.CAMERA_MOVED, 0, "")])
    browser.get(page.url)
    wait_for_text(browser, "#faults", "The camera no longer looks where it was calibrated.")
    wait_for_text(browser, "#faults", "What to do: Put the camera back, or run sorter calibrate for its new place.")
    assert browser.find_element(By.CSS_SELECTOR, "#faults code").text == "sorter calibrate"
    page.station.live.publish_state(State.RUNNING, [])
    wait_for_text(browser, "#title", "Running")
    assert not browser.find_element(By.ID, "faults").is_displayed()


def test_labels_are_text_and_never_markup(page: Any, browser: webdriver.Chrome) -> None:
    hostile = "<img src=x onerror=document.title=1><script>document.title=2</script>"
    page.station.decide("glass", "glass", said=hostile)
    page.station.live.publish_state(State.DEGRADED, [Fault(FaultKind.BIN_FULL, 0, hostile)])
    browser.get(page.url)
    wait_for_text(browser, "#items", hostile)
    wait_for_text(browser, "#overlay", hostile)
    wait_for_text(browser, "#faults", hostile)
    assert measure(browser, "document.querySelectorAll('[onerror], body script').length") == 0


def test_old_picture_is_marked(page: Any, browser: webdriver.Chrome) -> None:
    frame = page.station.show("glass")
    old = type(frame)(frame.pixels, frame.captured_at - 60_000_000_000, 2)
    page.station.live.publish_frame(old, [])
    browser.get(page.url)
    wait_for_text(browser, "#stale", "This picture is ")
    shown = re.fullmatch(r"This picture is (\d+) s old.*", browser.find_element(By.ID, "stale").text, re.DOTALL)
    assert shown is not None
    assert int(shown[1]) >= 60


@pytest.mark.parametrize(("width", "height"), [(360, 740), (800, 1200), (1280, 720), (1920, 1080)])
def test_fits_every_screen(page: Any, browser: webdriver.Chrome, width: int, height: int) -> None:
    for reason in Reason:
        page.station.decide("glass", "glass")
        page.station.decide("trash", "residual", reason, said="")
    page.station.live.publish_state(State.DEGRADED, [Fault(FaultKind.CLASSIFIER_SLOW, 0, "")])
    resize(browser, width, height)
    browser.get(page.url)
    wait_for_text(browser, "#items", "not recognised")
    wait_for_text(browser, "#overlay", "not recognised")
    assert measure(browser, "document.documentElement.scrollWidth") <= width
    small = measure(
        browser,
        "[...document.querySelectorAll('body *')].filter((e) => e.innerText).map((e) => parseFloat(getComputedStyle(e).fontSize))",
    )
    assert min(small) >= 11
    cut_off = (
        "[...document.querySelectorAll('.card, .banner, .fault')].filter((e) => e.scrollHeight > e.clientHeight + 1)"
    )
    assert measure(browser, f"{cut_off}.map((e) => e.innerText)") == []
    if width == 1920:  # a workshop screen shows everything at once, in letters that are read from three metres
        assert measure(browser, "document.documentElement.scrollHeight") <= height
        assert measure(browser, "parseFloat(getComputedStyle(document.querySelector('h1')).fontSize)") >= 48


def test_works_by_keyboard(page: Any, browser: webdriver.Chrome) -> None:
    page.station.decide("glass", "glass")
    browser.get(page.url)
    wait_for_text(browser, "#items", "glass")
    wanted, focused = ["skip", "control", "sign-in", "language", "pause", "reasons", "items"], []
    while "items" not in focused and len(focused) < 40:
        ActionChains(browser).send_keys(Keys.TAB).perform()
        focused.append(measure(browser, "document.activeElement.className || document.activeElement.id"))
    assert [name for name in focused if name in wanted] == wanted
    button = browser.find_element(By.ID, "pause")
    button.send_keys(Keys.SPACE)
    assert (button.get_attribute("aria-pressed"), button.text) == ("true", "Show live picture")
    button.send_keys(Keys.ENTER)
    assert (button.get_attribute("aria-pressed"), button.text) == ("false", "Pause picture")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_letters_stand_out_in_both_schemes(page: Any, browser: webdriver.Chrome, scheme: str) -> None:
    """Contrast after WCAG 2.2: at least 4.5 for text; the banner's large letters included."""
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    for where in ("glass", "metal", "residual"):
        page.station.decide("glass", where, Reason.SORTED if where != "residual" else Reason.LATE)
    page.station.live.publish_state(State.DEGRADED, [Fault(FaultKind.HOT, 0, "")])
    browser.get(page.url)
    wait_for_text(browser, "#items", "residual")
    wait_for_text(browser, "#faults", "hot")
    for state, text in STATE_TEXT.items():
        page.station.live.publish_state(state, [Fault(FaultKind.HOT, 0, "")])
        wait_for_text(browser, "#title", text.title)
        faint = browser.execute_script(CONTRAST)
        assert faint == [], f"{state} in {scheme}"


def test_lost_connection_is_told_and_mended(page: Any, serve: Callable[..., Any], chromium: webdriver.Chrome) -> None:
    page.station.decide("glass", "glass")
    chromium.get(page.url)
    wait_for_text(chromium, "#title", "Running")
    page.stop()
    wait_for_text(chromium, "#title", "No connection")
    wait_for_text(chromium, "#meaning", "What is shown below is from before.")
    again = serve(SystemClock(), page.server.port)
    again.station.decide("metal", "metal")
    wait_for_text(chromium, "#title", "Running")
    wait_for_text(chromium, "#items", "metal")
    assert "glass" not in measure(chromium, "document.getElementById('items').innerText")
    chromium.get("about:blank")


def test_a_full_bin_is_unmistakable(page: Any, browser: webdriver.Chrome) -> None:
    """Only the bin that is full has a bar: of the others nobody knows how full they are."""
    for _ in range(12):
        page.station.decide("metal", "metal")
    page.station.decide("glass", "glass")
    page.station.live.publish_state(State.RUNNING)
    browser.get(page.url)
    wait_for_text(browser, "#bins", "metal")
    assert "FULL" not in browser.find_element(By.ID, "bins").text
    assert not browser.find_elements(By.CSS_SELECTOR, "#bins .bar")
    page.station.live.publish_state(State.DEGRADED, [Fault(FaultKind.BIN_FULL, 0, "glass")])
    wait_for_text(browser, "#bins", "FULL")
    glass, metal, _ = browser.find_elements(By.CSS_SELECTOR, "#bins li")
    assert "FULL" in glass.text
    assert "its items go to residual" in glass.text
    assert "FULL" not in metal.text
    assert not metal.find_elements(By.CSS_SELECTOR, ".bar")
    bar, fill = glass.find_element(By.CSS_SELECTOR, ".bar"), glass.find_element(By.CSS_SELECTOR, ".bar i")
    assert fill.value_of_css_property("width") == bar.value_of_css_property("width")
    assert fill.value_of_css_property("background-image").startswith("repeating-linear-gradient")


def test_a_bin_tells_its_purity_or_how_many_labels_are_missing(page: Any, browser: webdriver.Chrome) -> None:
    last = datetime(2026, 5, 1, 12, tzinfo=UTC).timestamp()
    page.station.live.publish_purity(
        {"glass": SeenPurity(0.975, 0.871, 0.996, 40, 0, last), "metal": SeenPurity(None, 0.2, 0.9, 7, 23, last)}
    )
    browser.get(page.url)
    wait_for_text(browser, "#bins .purity", "purity seen 98\u00a0% (87\u00a0% to 100\u00a0%; 40 labelled, to 5/1/2026)")
    wait_for_text(browser, "#bins .purity", "purity not known: 7 pictures labelled, 23 more needed")
    assert measure(browser, "document.querySelectorAll('#bins .purity').length") == 2
