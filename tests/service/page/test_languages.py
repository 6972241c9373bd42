"""The page in another language than English, in a real Chromium."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait
from support.browser import WAIT_S, measure, resize, wait_for_text
from support.journal import build_journal, record_many

from edge.clock import SystemClock, VirtualClock
from edge.health.faults import Fault, FaultKind
from edge.health.state import State
from edge.labelling.labels import read_labels
from edge.labelling.pictures import PictureFolder
from edge.labelling.proposals import Proposals
from edge.labelling.session import LabellingSession
from edge.types import Box, Reason
from edge.web.label import LabelPage
from edge.web.region import RegionPage
from edge.web.serving.server import PageServer
from edge.web.station.pages import PAGES
from edge.web.station.words import STATE_TEXT
from edge.words import languages, texts

# Draws each of the characters as the page would, and one that no font has.
WITHOUT_A_GLYPH = """
const board = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
board.canvas.width = board.canvas.height = 48;
board.font = "32px " + getComputedStyle(document.body).fontFamily;
const drawn = (character) => {
  board.clearRect(0, 0, 48, 48);
  board.fillText(character, 4, 36);
  return board.getImageData(0, 0, 48, 48).data.join();
};
const missing = [drawn("\\u{10fffd}"), drawn(" ")];
return [...arguments[0]].filter((character) => missing.includes(drawn(character)));
"""

# Every text of a page, and what else is read out of it, a piece at a time.
SHOWN = """
const texts = [...document.querySelectorAll("body *")].filter((e) => !e.closest("script, noscript"))
  .flatMap((e) => [...[...e.childNodes].filter((n) => n.nodeType === 3).map((n) => n.data), e.alt, e.title, e.ariaLabel, e.placeholder]);
return texts.filter(Boolean).map((text) => text.split(/\\s+/).filter(Boolean).join(" "));
"""
# Where what the journal has is listed, by the page.
LISTED = {"/items": "#found li", "/week": "#by-bin"}
ALL_ARRIVED = (
    "performance.getEntriesByType('resource').filter((e) => e.name.includes('/api/')).every((e) => e.responseEnd)"
)


@pytest.fixture
def page(serve: Callable[..., Any]) -> Any:
    return serve(SystemClock())


@pytest.fixture
def speaks(browser: webdriver.Chrome) -> Iterator[Callable[[str], None]]:
    """Have the browser ask for languages, as in its own settings."""
    agent = measure(browser, "navigator.userAgent")

    def ask_for(accepted: str) -> None:
        browser.execute_cdp_cmd("Emulation.setUserAgentOverride", {"userAgent": agent, "acceptLanguage": accepted})

    yield ask_for
    browser.execute_cdp_cmd("Emulation.setUserAgentOverride", {"userAgent": "", "acceptLanguage": ""})
    browser.delete_all_cookies()


def test_who_asks_for_vietnamese_reads_vietnamese(
    page: Any, browser: webdriver.Chrome, speaks: Callable[[str], None]
) -> None:
    page.station.decide("glass", "glass")
    page.station.decide("metal", "residual", Reason.UNSURE, score=0.41)
    page.station.decide("trash", "residual", Reason.UNSURE, score=0.41, said="melon")
    page.station.live.publish_state(State.FAULT, [Fault(FaultKind.CAMERA_MOVED, 0, "")])
    speaks("vi-VN,vi;q=0.9")
    browser.get(page.url)
    wait_for_text(browser, "#title", "Lỗi")
    assert measure(browser, "document.documentElement.lang") == "vi"
    assert measure(browser, "document.title") == "Lỗi · yard <3>"
    wait_for_text(browser, "#faults", "Camera không còn nhìn đúng chỗ lúc hiệu chỉnh.")
    wait_for_text(browser, "#faults", "Cách xử lý: Đặt camera về chỗ cũ, hoặc chạy sorter calibrate cho chỗ mới.")
    assert browser.find_element(By.CSS_SELECTOR, "#faults code").text == "sorter calibrate"
    wait_for_text(browser, "#items li:nth-child(3)", "thủy tinh 97\u00a0%\n→ thủy tinh\nđã gạt")
    wait_for_text(browser, "#items li:nth-child(2)", "kim loại 41\u00a0%\n→ còn lại\nMô hình không đủ chắc chắn.")
    wait_for_text(browser, "#reasons", "mô hình không đủ chắc chắn")
    # A station's own label has no translation.
    wait_for_text(browser, "#items li:nth-child(1)", "melon 41\u00a0%\n→ còn lại")


def test_what_is_chosen_on_the_page_holds_for_the_next_visit_too(
    page: Any, browser: webdriver.Chrome, speaks: Callable[[str], None]
) -> None:
    speaks("en-GB")
    browser.get(page.url)
    wait_for_text(browser, "#title", "Running")
    chooser = Select(browser.find_element(By.ID, "language"))
    assert [option.text for option in chooser.options] == list(languages().values())
    chooser.select_by_visible_text("Tiếng Việt")
    wait_for_text(browser, "#title", "Đang chạy")
    browser.get(page.url)
    wait_for_text(browser, "#title", "Đang chạy")
    assert measure(browser, "document.documentElement.lang") == "vi"
    Select(browser.find_element(By.ID, "language")).select_by_value("en")
    wait_for_text(browser, "#title", "Running")


@pytest.mark.parametrize("language", [code for code in languages() if code != "en"])
def test_every_letter_of_a_language_is_drawn(page: Any, browser: webdriver.Chrome, language: str) -> None:
    letters = sorted({letter for text in texts(language).values() for letter in text if not letter.isspace()})
    browser.get(page.url)
    assert browser.execute_script(WITHOUT_A_GLYPH, ["\u0378", *letters]) == ["\u0378"]


@pytest.mark.parametrize("address", [page.address for page in PAGES])
@pytest.mark.parametrize("language", [code for code in languages() if code != "en"])
def test_every_page_says_all_that_has_a_translation_in_it_and_its_longer_words_fit(
    page: Any, browser: webdriver.Chrome, speaks: Callable[[str], None], tmp_path: Path, language: str, address: str
) -> None:
    past = VirtualClock(wall_start=SystemClock().wall_time() - 3600)
    journal = build_journal(tmp_path, past)
    record_many(journal, past, range(1, 60))
    journal.close()
    for reason in Reason:
        page.station.decide("glass", "glass")
        page.station.decide("trash", "residual", reason, said="")
    page.station.live.publish_state(
        State.DEGRADED, [Fault(FaultKind.DRIFT, 0, ""), Fault(FaultKind.BIN_FULL, 0, "glass")]
    )
    speaks(language)
    for width in (360, 1400):
        resize(browser, width, 900)
        browser.get(page.url + address)
        wait_for_text(browser, "#title", texts(language)[STATE_TEXT[State.DEGRADED].title])
        wait_for_text(browser, "#faults", f"({texts(language)['glass']})")
        WebDriverWait(browser, WAIT_S, poll_frequency=0.1).until(lambda _: measure(browser, ALL_ARRIVED))
        if address in LISTED:
            wait_for_text(browser, LISTED[address], texts(language)["glass"])
        english = {text for text, translation in texts(language).items() if text != translation}
        assert english & set(browser.execute_script(SHOWN)) == set()
        assert measure(browser, "document.documentElement.scrollWidth") <= width
        cut_off = "[...document.querySelectorAll('.card, .banner, .fault, button, .menu a')].filter((e) => e.scrollHeight > e.clientHeight + 1 || e.scrollWidth > e.clientWidth + 1)"
        assert measure(browser, f"{cut_off}.map((e) => e.innerText)") == []


def test_the_label_page_speaks_it_too_and_writes_the_labels_as_they_are_called(
    tmp_path: Path, photo_dir: Path, browser: webdriver.Chrome, speaks: Callable[[str], None]
) -> None:
    shutil.copy(min((photo_dir / "glass").glob("*.jpg")), tmp_path / "item-1.jpg")
    session = LabellingSession(Proposals(PictureFolder(tmp_path)), "anna", ("glass", "melon"), SystemClock())
    label_page = LabelPage(session)
    speaks("vi")
    with serving(PageServer(label_page.app, "127.0.0.1", 0)) as server:
        browser.get(f"http://127.0.0.1:{server.port}{label_page.path}")
        wait_for_text(browser, "#labels", "1\nthủy tinh\n2\nmelon\nn\nkhông phải loại nào")
        wait_for_text(browser, "#progress", "đã gán nhãn 0/1")
        assert measure(browser, "document.documentElement.lang") == "vi"
        WebDriverWait(browser, WAIT_S, poll_frequency=0.02).until(lambda _: measure(browser, "seen"))
        browser.find_element(By.CSS_SELECTOR, "#labels button").click()
        wait_for_text(browser, "#saved", "item-1.jpg: thủy tinh")
        wait_for_text(browser, "#frame", "Mọi hình đều đã có nhãn.")
    assert read_labels(tmp_path).entries["item-1.jpg"].label == "glass"


def test_the_page_for_the_region_speaks_the_stations_language(
    browser: webdriver.Chrome, speaks: Callable[[str], None]
) -> None:
    picture = np.full((480, 640, 3), 90, np.uint8)
    region_page = RegionPage("line-1", (640, 480), Box(0, 0, 640, 480), lambda: picture, language="vi")
    speaks("fr")
    with serving(PageServer(region_page.app, "127.0.0.1", 0)) as server:
        browser.get(f"http://127.0.0.1:{server.port}{region_page.path}")
        wait_for_text(browser, "h1", "line-1 cần nhìn vào đâu?")
        wait_for_text(browser, "form", "Dùng vùng này")
        browser.get("about:blank")


@contextmanager
def serving(server: PageServer) -> Iterator[PageServer]:
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield server
    server.stop()
    thread.join(WAIT_S)
    assert not thread.is_alive()
