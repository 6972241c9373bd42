"""The pages "Today and this week" and "Items" as an operator sees them, in a real Chromium, over a real journal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select
from support.browser import CONTRAST, measure, resize, wait_for_text
from support.journal import build_journal, outcome, photo, stroke

from edge.clock import SystemClock
from edge.config.service import JournalSettings
from edge.stats.counts import By as CountBy
from edge.stats.counts import Selection, count_items
from edge.types import Confidence, Prediction, Reason
from edge.web.station.token import read_token

SURE, UNSURE = Confidence(0.97, 0.85, 0.9, 0.1), Confidence(0.62, 0.85, 0.3, 0.1)


def record(folder: Path, items: int, keep: str = "none", first: int = 1, run: str = "0123abcd") -> None:
    """Record items of just now; every fourth is not sorted."""
    clock = SystemClock()
    journal = build_journal(folder, clock, JournalSettings.model_validate({"keep_crops": keep}), run_id=run)
    for number in range(first, first + items):
        unsure = number % 4 == 0
        seen = Prediction("glass", 0.9, 0.8, ("glass", "metal"), (0.9, 0.1), 2, looks=("glass", "metal"))
        entry = outcome(number, clock.now(), Reason.UNSURE if unsure else Reason.SORTED, photo(), seen)
        journal.record(replace(entry, decision=replace(entry.decision, confidence=UNSURE if unsure else SURE)))
        if not unsure:
            journal.record(stroke(entry))
    journal.close()


@pytest.fixture
def page(serve: Callable[..., Any]) -> Any:
    return serve(SystemClock())


def drawn(browser: webdriver.Chrome, chart: str) -> dict[str, int]:
    """Return what the bars of a chart add up to, by their series."""
    bars = "[...document.querySelectorAll(arguments[0] + ' .bar-of')].map((bar) => [bar.dataset.series, Number(bar.dataset.value)])"
    added: dict[str, int] = {}
    for name, value in browser.execute_script(f"return {bars}", chart):
        added[name] = added.get(name, 0) + value
    return added


def test_the_bars_are_what_sorter_stats_counts(tmp_path: Path, page: Any, browser: webdriver.Chrome) -> None:
    record(tmp_path, 40)
    browser.get(page.url + "/week")
    wait_for_text(browser, "#span-total", "40")
    counted = count_items({"": tmp_path / "journal.db"}, [CountBy.BIN], Selection())
    assert drawn(browser, "#by-bin") == {where: items for (where,), items in counted.items()}
    assert drawn(browser, "#by-reason") == {"the model was not sure enough": 10}
    wait_for_text(browser, "#span-residual", "10 (25\u00a0%)")
    wait_for_text(browser, "[data-bin=glass]", "100\u00a0% of 10 items")
    wait_for_text(browser, "#deciding .legend", "99 of 100 within")
    browser.find_element(By.CSS_SELECTOR, "#by-bin summary").click()
    wait_for_text(browser, "#by-bin table", "10")


def test_a_reason_leads_to_its_items(tmp_path: Path, page: Any, browser: webdriver.Chrome) -> None:
    record(tmp_path, 12)
    browser.get(page.url + "/week?span=week")
    wait_for_text(browser, "#by-reason .legend", "the model was not sure enough")
    browser.find_element(By.LINK_TEXT, "the model was not sure enough").click()
    wait_for_text(browser, "#found li:nth-child(3)", "Item 4.")
    assert measure(browser, "document.querySelectorAll('#found li').length") == 3
    assert measure(browser, "document.querySelector('[name=reason]').value") == "unsure"


def test_counts_survive_a_restart(tmp_path: Path, serve: Callable[..., Any], browser: webdriver.Chrome) -> None:
    first = serve(SystemClock())
    record(tmp_path, 8)
    first.stop()
    second = serve(SystemClock())
    record(tmp_path, 4, first=1, run="0123abce")
    browser.get(second.url + "/week?span=week")
    wait_for_text(browser, "#span-total", "12")
    assert sum(drawn(browser, "#by-bin").values()) == 12


def test_a_stop_is_no_fault_of_the_model(tmp_path: Path, page: Any, browser: webdriver.Chrome) -> None:
    record(tmp_path, 40)
    clock = SystemClock()
    journal = build_journal(tmp_path, clock, JournalSettings.model_validate({"keep_crops": "none"}), run_id="0123abce")
    for number in range(1, 41):
        journal.record(outcome(number, clock.now(), Reason.HELD))
    journal.close()
    browser.get(page.url + "/week")
    wait_for_text(browser, "#span-total", "80")
    wait_for_text(browser, "[data-bin=glass]", "50\u00a0% of 20 items")
    wait_for_text(browser, "[data-bin=metal]", "0\u00a0% of 20 items")


def test_the_busiest_hour_is_not_thinned_out_by_what_is_left_of_it(
    tmp_path: Path, page: Any, browser: webdriver.Chrome
) -> None:
    for _ in range(40):
        page.station.decide("glass", "glass")
    record(tmp_path, 40)
    browser.get(page.url + "/week")
    wait_for_text(browser, "#span-busiest", "40")
    browser.find_element(By.CSS_SELECTOR, "[data-span=month]").click()
    wait_for_text(browser, "#bar-is", "One bar is a day.")
    assert not browser.find_element(By.ID, "busiest").is_displayed()


def test_an_item_on_its_way_says_so_once(tmp_path: Path, page: Any, browser: webdriver.Chrome) -> None:
    clock = SystemClock()
    journal = build_journal(tmp_path, clock, JournalSettings.model_validate({"keep_crops": "none"}), run_id="0123abcd")
    journal.record(outcome(1, clock.now()))
    journal.close()
    browser.get(page.url + "/items")
    wait_for_text(browser, "#found li", "not fired yet.")
    told = browser.find_element(By.ID, "found").text.lower()
    assert told.count("on its way") == 1


def test_an_empty_journal_is_told_in_words(page: Any, browser: webdriver.Chrome) -> None:
    browser.get(page.url + "/week")
    wait_for_text(browser, "#nothing", "Nothing has been recorded yet: the journal begins with the first item.")
    assert not browser.find_element(By.ID, "charts").is_displayed()
    browser.get(page.url + "/items")
    wait_for_text(browser, "#nothing", "Nothing has been recorded yet: the journal begins with the first item.")


def test_a_time_without_items_is_told_in_words(tmp_path: Path, page: Any, browser: webdriver.Chrome) -> None:
    record(tmp_path, 4)
    browser.get(page.url + "/week?span=week&day=2026-01-05")
    wait_for_text(browser, "#nothing", "Nothing came past in this time.")
    assert browser.find_element(By.ID, "later").is_enabled()
    browser.find_element(By.CSS_SELECTOR, "[data-span=day]").click()
    wait_for_text(browser, "#span-heading", "Jan 5")


def test_a_residual_item_shows_the_threshold_that_it_missed(
    tmp_path: Path, page: Any, browser: webdriver.Chrome
) -> None:
    record(tmp_path, 8, keep="all")
    browser.get(page.url + "/items")
    wait_for_text(
        browser,
        "#found li:first-child",
        "The model was 62\u00a0% sure of the bin; 85\u00a0% is the least for it.",
    )
    wait_for_text(browser, "#found li:first-child", "Its looks, one by one: glass, metal.")
    wait_for_text(browser, "#found li:nth-child(2)", "flap-plastic: planned for ")
    wait_for_text(browser, "#found li:nth-child(2)", "fired at ")
    assert measure(browser, "document.querySelector('#found li:first-child img').alt") == "Picture 1 of item 8"
    wait_for_text(browser, "#hint", f"sorter label {tmp_path}/pictures")


def test_search_finds_what_is_asked_for_and_can_be_called_up_again(
    tmp_path: Path, page: Any, browser: webdriver.Chrome
) -> None:
    record(tmp_path, 60)
    browser.get(page.url + "/items")
    wait_for_text(browser, "#found", "Item 60.")
    wait_for_text(browser, "#further", "Further back")
    Select(browser.find_element(By.NAME, "reason")).select_by_value("unsure")
    browser.find_element(By.CSS_SELECTOR, "[type=submit]").click()
    wait_for_text(browser, "#found li:nth-child(15)", "Item 4.")
    assert measure(browser, "document.querySelectorAll('#found li').length") == 15
    browser.get(measure(browser, "location.href"))
    wait_for_text(browser, "#found li:nth-child(15)", "Item 4.")
    browser.find_element(By.NAME, "least").send_keys("95")
    browser.find_element(By.CSS_SELECTOR, "[type=submit]").click()
    wait_for_text(browser, "#nothing", "No item matches.")
    browser.find_element(By.CSS_SELECTOR, "[type=reset]").click()
    wait_for_text(browser, "#found", "Item 60.")
    browser.find_element(By.ID, "further").click()
    wait_for_text(browser, "#found li:nth-child(21)", "Item 40.")


def test_labels_from_the_journal_are_text_and_never_markup(
    tmp_path: Path, page: Any, browser: webdriver.Chrome
) -> None:
    hostile = "<img src=x onerror=document.title=1>"
    journal = build_journal(tmp_path, clock := SystemClock())
    entry = outcome(1, clock.now(), Reason.UNSURE)
    journal.record(replace(entry, decision=replace(entry.decision, label=hostile, bin=hostile)))
    journal.close()
    for address, place in (("/items", "#found"), ("/week", "#by-bin")):
        browser.get(page.url + address)
        wait_for_text(browser, place, hostile)
        assert measure(browser, "document.querySelectorAll('[onerror]').length") == 0


@pytest.mark.parametrize("address", ["/week", "/items"])
def test_a_damaged_journal_is_told_and_the_page_lives(
    tmp_path: Path, page: Any, chromium: webdriver.Chrome, address: str
) -> None:
    (tmp_path / "journal.db").write_bytes(b"no journal at all" * 100)
    chromium.get(page.url + address)
    wait_for_text(chromium, "#problem", "The journal can't be read; sorting does not depend on it.")
    wait_for_text(chromium, "#problem", "not a database")
    wait_for_text(chromium, "#title", "Running")
    chromium.get_log("browser")  # Chromium complains of each answer that is none of success


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("address", ["/week", "/week?span=week", "/items"])
@pytest.mark.parametrize("width", [360, 1400])
def test_fits_a_phone_and_a_screen_and_its_letters_stand_out(
    tmp_path: Path, page: Any, browser: webdriver.Chrome, address: str, width: int, scheme: str
) -> None:
    record(tmp_path, 40, keep="all")
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    resize(browser, width, 900)
    browser.get(page.url + address)
    wait_for_text(browser, "#found, #by-bin", "residual")
    assert measure(browser, "document.documentElement.scrollWidth") <= width
    assert browser.execute_script(CONTRAST) == []


def test_whose_session_is_over_is_led_to_the_entrance_and_not_to_an_error(
    tmp_path: Path, serve: Callable[..., Any], chromium: webdriver.Chrome
) -> None:
    closed = serve(SystemClock(), open=False)
    record(tmp_path, 4)
    chromium.get(f"{closed.url}/enter?to=/items#token={read_token(closed.station.folder)}")
    wait_for_text(chromium, "#found", "Item 4.")
    chromium.delete_all_cookies()
    chromium.find_element(By.CSS_SELECTOR, "[type=submit]").click()
    wait_for_text(chromium, "h1", "Only who signed in may look")
    chromium.get_log("browser")  # Chromium complains of each answer that is none of success
