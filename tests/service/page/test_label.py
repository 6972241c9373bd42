"""The page of `sorter label` as a person uses it, in a real Chromium, and what it takes from whom over HTTP."""

from __future__ import annotations

import json
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote

import cv2
import numpy as np
import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait
from support.browser import CONTRAST, WAIT_S, measure, resize, wait_for_text

from edge.clock import NS_PER_S, SystemClock
from edge.labelling.labels import read_labels
from edge.labelling.pictures import PictureFolder
from edge.labelling.proposals import Proposals
from edge.labelling.session import LabellingSession
from edge.labelling.writing import LabelsFile
from edge.types import Image
from edge.web.label import LabelPage
from edge.web.serving.server import PageServer

LABELS = ("cardboard", "glass", "metal", "plastic")
HOSTILE = '"><img src=x onerror=document.title=1>&.jpg'


@dataclass
class Served:
    folder: Path
    page: LabelPage
    server: PageServer
    thread: threading.Thread

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}{self.page.path}"

    def said(self) -> dict[str, str]:
        return {name: entry.label for name, entry in read_labels(self.folder).entries.items()}

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, str]:
        """A request below the page's own address, but where the path begins with a slash."""
        connection = HTTPConnection("127.0.0.1", self.server.port, timeout=WAIT_S)
        content = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        kind = {} if body is None else {"Content-Type": "application/json"}
        connection.request(
            method, path if path.startswith("/") else self.page.path + path, content, {**kind, **headers}
        )
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")

    def stop(self) -> None:
        self.server.stop()
        self.thread.join(WAIT_S)
        assert not self.thread.is_alive()


Serve = Callable[..., Served]


@pytest.fixture
def folder(tmp_path: Path, photo_dir: Path) -> Path:
    """Six photos of each label, named by their label as no station would, below one another as `sorter pull` lays them."""
    pictures = tmp_path / "pulled" / "pi-1" / "pictures"
    pictures.mkdir(parents=True)
    for label in LABELS:
        for number, photo in enumerate(sorted((photo_dir / label).glob("*.jpg"))[:6]):
            shutil.copy(photo, pictures / f"item-{number}-{label}.jpg")
    return tmp_path / "pulled"


@pytest.fixture
def serve_labels(folder: Path) -> Iterator[Serve]:
    """Serve the page to people, each with a server of their own as from `sorter label`, until the test ends."""
    served: list[Served] = []

    def start(by: str = "anna", pictures: PictureFolder | None = None) -> Served:
        proposals = Proposals(pictures or PictureFolder(folder))
        session = LabellingSession(proposals, by, LABELS, SystemClock())
        page = LabelPage(session)
        server = PageServer(page.app, "127.0.0.1", 0)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        served.append(Served(folder, page, server, thread))
        return served[-1]

    yield start
    for one in served:
        one.stop()


@dataclass
class SlowPictures(PictureFolder):
    """Pictures that take as long to be decoded as the test wants; `asked` tells that one is on its way."""

    is_given: threading.Event = field(default_factory=threading.Event)
    asked: threading.Event = field(default_factory=threading.Event)

    def load(self, name: str, at_least: int) -> Image:
        self.asked.set()
        assert self.is_given.wait(WAIT_S)
        return super().load(name, at_least)


def truth(name: str) -> str:
    return name.rpartition("-")[2].removesuffix(".jpg")


def press(chrome: webdriver.Chrome, *keys: str) -> None:
    for key in keys:
        ActionChains(chrome).send_keys(key).perform()


def shown(chrome: webdriver.Chrome, other_than: str = "") -> str:
    """The name of the picture, once it is on the screen and another than that one."""
    WebDriverWait(chrome, WAIT_S, poll_frequency=0.02).until(
        lambda _: measure(chrome, "seen && current && current.name") not in (False, None, other_than)
    )
    return str(measure(chrome, "current.name"))


def wait_until_idle(chrome: webdriver.Chrome) -> None:
    """Wait until the program has answered all that was asked of it."""
    WebDriverWait(chrome, WAIT_S, poll_frequency=0.02).until(lambda _: measure(chrome, "busy === 0"))


def label_next(chrome: webdriver.Chrome, count: int) -> list[str]:
    """Label as a person does who looks at the picture and knows the number of its label."""
    done: list[str] = []
    for _ in range(count):
        name = shown(chrome, done[-1] if done else "")
        press(chrome, str(LABELS.index(truth(name)) + 1))
        done.append(name)
    wait_until_idle(chrome)
    return done


def wait_for_tiles(chrome: webdriver.Chrome, count: int) -> None:
    """Wait until so many pictures are shown to select from, and nothing is on its way any more."""
    ready = f"!busy && document.querySelectorAll('#grid li img').length === {count} && [...grid.querySelectorAll('img')].every((i) => i.complete)"
    WebDriverWait(chrome, WAIT_S, poll_frequency=0.05).until(lambda _: measure(chrome, ready))


def selected(chrome: webdriver.Chrome) -> list[str]:
    return list(measure(chrome, "selected().map((tile) => tile.title)"))


@pytest.mark.realtime
def test_a_person_labels_more_than_twenty_pictures_a_minute_by_keys(
    serve_labels: Serve, browser: webdriver.Chrome
) -> None:
    page, clock = serve_labels(), SystemClock()
    browser.get(page.url)
    shown(browser)
    begun_at = clock.now()
    done = label_next(browser, 22)
    wait_for_text(browser, "#progress", "22 of 24 labelled")
    assert clock.now() - begun_at < 60 * NS_PER_S
    assert len(set(done)) == 22
    assert page.said() == {name: truth(name) for name in done}


def test_undo_takes_back_the_last_label_and_shows_its_picture_again(
    serve_labels: Serve, browser: webdriver.Chrome
) -> None:
    page = serve_labels()
    browser.get(page.url)
    first, second = label_next(browser, 2)
    shown(browser, second)
    press(browser, "u")
    wait_for_text(browser, "#name", second)
    assert page.said() == {first: truth(first)}
    shown(browser)
    press(browser, Keys.BACKSPACE)
    wait_for_text(browser, "#name", first)
    assert page.said() == {}
    assert not browser.find_element(By.ID, "undo").is_enabled()


def test_a_page_that_is_loaded_again_goes_on_where_it_was(serve_labels: Serve, browser: webdriver.Chrome) -> None:
    page = serve_labels()
    browser.get(page.url)
    done = label_next(browser, 5)
    sixth = shown(browser, done[-1])
    browser.get(page.url)
    assert shown(browser) == sixth
    wait_for_text(browser, "#progress", "5 of 24 labelled")
    press(browser, "u")
    wait_for_text(browser, "#name", done[-1])


def test_back_shows_what_was_said_and_another_label_replaces_it(serve_labels: Serve, browser: webdriver.Chrome) -> None:
    page = serve_labels()
    browser.get(page.url)
    first, second = label_next(browser, 2)
    third = shown(browser, second)
    press(browser, Keys.ARROW_LEFT)
    shown(browser, third)
    press(browser, Keys.ARROW_LEFT)
    wait_for_text(browser, "#said", f"anna: {truth(first)}")
    assert shown(browser, second) == first
    press(browser, "n")
    assert shown(browser, first) == second
    assert page.said() == {first: "none-of-these", second: truth(second)}
    press(browser, "t")
    assert shown(browser, second) == third
    assert page.said()[second] == "two-things"


def test_one_label_is_for_all_looks_that_a_station_took_of_an_item(
    serve_labels: Serve, folder: Path, browser: webdriver.Chrome
) -> None:
    looks = [f"0a1b2c3d-00000017-{look}.jpg" for look in (1, 2, 3)]
    for look in looks:
        shutil.copy(folder / "pi-1/pictures/item-0-metal.jpg", folder / look)
    page = serve_labels()
    browser.get(page.url)
    assert shown(browser) == looks[0]
    assert measure(browser, "[...document.querySelectorAll('#looks img')].map((look) => look.alt)") == looks[1:]
    press(browser, "3")
    following = shown(browser, looks[0])
    assert truth(following) in LABELS
    assert not browser.find_element(By.ID, "looks").is_displayed()
    assert page.said() == dict.fromkeys(looks, "metal")
    press(browser, "u")
    assert shown(browser, following) == looks[0]
    assert page.said() == {}


def test_what_looks_like_labelled_pictures_is_suggested_and_enter_says_it(
    serve_labels: Serve, browser: webdriver.Chrome
) -> None:
    page = serve_labels()
    browser.get(page.url)
    name = shown(browser)
    assert not browser.find_element(By.ID, "suggested").is_displayed()
    press(browser, "2")
    following = shown(browser, name)
    wait_for_text(browser, "#suggested", "glass\nthe most similar")
    press(browser, Keys.ENTER)
    shown(browser, following)
    assert page.said() == {name: "glass", following: "glass"}


def test_many_are_selected_by_dragging_and_shift_and_labelled_together(
    serve_labels: Serve, browser: webdriver.Chrome
) -> None:
    page = serve_labels()
    resize(browser, 1400, 900)
    browser.get(page.url)
    shown(browser)
    press(browser, "g")
    wait_for_tiles(browser, 24)
    names = [str(tile.get_attribute("title")) for tile in browser.find_elements(By.CSS_SELECTOR, "#grid li")]
    tiles = browser.find_elements(By.CSS_SELECTOR, "#grid li")
    ActionChains(browser).move_to_element(tiles[0]).click_and_hold().move_to_element(tiles[1]).move_to_element(
        tiles[2]
    ).release().perform()
    assert selected(browser) == names[:3]
    assert not browser.find_element(By.ID, "lasso").is_displayed()
    tiles[1].click()
    assert selected(browser) == [names[0], names[2]]
    tiles[5].click()
    ActionChains(browser).key_down(Keys.SHIFT).click(tiles[8]).key_up(Keys.SHIFT).perform()
    chosen = [names[0], names[2], *names[5:9]]
    assert selected(browser) == chosen
    wait_for_text(browser, "#selected", "6 of 24 selected")
    press(browser, "3")
    wait_for_tiles(browser, 18)
    assert page.said() == dict.fromkeys(chosen, "metal")
    press(browser, "u")
    wait_for_tiles(browser, 24)
    assert page.said() == {}


def test_many_are_selected_by_keyboard_alone(serve_labels: Serve, browser: webdriver.Chrome) -> None:
    page = serve_labels()
    browser.get(page.url)
    shown(browser)
    press(browser, "g")
    wait_for_tiles(browser, 24)
    browser.execute_script("grid.firstChild.focus()")
    names = measure(browser, "tiles().map((tile) => tile.title)")
    press(browser, " ", Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, " ")
    ActionChains(browser).key_down(Keys.SHIFT).send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT).key_up(
        Keys.SHIFT
    ).perform()
    assert selected(browser) == [names[0], *names[2:5]]
    press(browser, Keys.ESCAPE)
    assert selected(browser) == []
    press(browser, "1")
    wait_for_text(browser, "#saved", "Select pictures first")
    press(browser, "a", "1")
    wait_for_text(browser, "#progress", "24 of 24 labelled")
    assert page.said() == dict.fromkeys(names, "cardboard")
    press(browser, "g")
    wait_for_text(browser, "#frame", "Every picture has a label.")


def test_what_has_a_label_is_looked_through_and_corrected(
    serve_labels: Serve, folder: Path, browser: webdriver.Chrome
) -> None:
    LabelsFile(folder, "ben").append({"pi-1/pictures/item-0-glass.jpg": "metal"}, 1.0)
    LabelsFile(folder, "eva").append({"pi-1/pictures/item-0-glass.jpg": "plastic"}, 2.0)
    page = serve_labels()
    browser.get(page.url)
    shown(browser)
    press(browser, "g")
    wait_for_text(browser, "#which", "where people disagree (1)")
    wait_for_text(browser, "#progress", "1 of 24 labelled · 1 by others · 1 disputed")
    wait_until_idle(browser)
    browser.find_element(By.CSS_SELECTOR, "#which option[value=disputed]").click()
    wait_for_text(browser, "#grid li", "eva: plastic · ben: metal")
    wait_until_idle(browser)
    press(browser, "a", "2")
    wait_for_text(browser, "#which", "labelled glass (1)")
    assert page.said() == {"pi-1/pictures/item-0-glass.jpg": "glass"}


def test_two_people_at_once_share_the_work(serve_labels: Serve, browser: webdriver.Chrome) -> None:
    anna = serve_labels("anna")
    browser.get(anna.url)
    done = label_next(browser, 4)
    ben = serve_labels("ben")
    browser.get(ben.url)
    wait_for_text(browser, "#progress", "4 of 24 labelled · 4 by others")
    done += label_next(browser, 4)
    assert len(set(done)) == 8
    assert anna.said() == {name: truth(name) for name in done}


def test_names_are_text_and_never_markup(serve_labels: Serve, folder: Path, browser: webdriver.Chrome) -> None:
    for name in (HOSTILE, "it's 100% <b>.jpg"):
        shutil.copy(folder / "pi-1/pictures/item-0-metal.jpg", folder / name)
    (folder / "<i>broken.jpg").write_bytes(b"\xff\xd8 no more")
    page = serve_labels()
    browser.get(page.url)
    assert shown(browser) == HOSTILE
    press(browser, "3")
    assert shown(browser, HOSTILE) == "it's 100% <b>.jpg"
    wait_for_text(browser, "#unusable", "Files passed over: 1")
    assert measure(browser, "document.getElementById('picture').naturalWidth") > 0
    press(browser, "g")
    wait_for_tiles(browser, 24)
    assert (
        measure(browser, "document.querySelectorAll('[onerror], main b:not(#suggested b), main i, body script').length")
        == 0
    )
    assert page.said() == {HOSTILE: "metal"}


@pytest.mark.parametrize(("width", "height"), [(360, 740), (800, 1200), (1400, 900)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_fits_every_screen_in_letters_that_stand_out(
    serve_labels: Serve, browser: webdriver.Chrome, width: int, height: int, scheme: str
) -> None:
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    resize(browser, width, height)
    browser.get(serve_labels().url)
    label_next(browser, 3)
    for key, tiles in (("", 0), ("g", 21)):
        press(browser, *key)
        if tiles:
            wait_for_tiles(browser, tiles)
            press(browser, "a")
        assert measure(browser, "document.documentElement.scrollWidth") <= width
        assert measure(
            browser,
            "[...document.querySelectorAll('button')].every((b) => b.innerText.trim() || b.hidden || !b.checkVisibility())",
        )
        assert browser.execute_script(CONTRAST) == []
    if width == 1400:
        assert measure(browser, "document.documentElement.scrollHeight") <= height


def test_a_program_that_ended_is_told_and_no_label_is_taken_for_saved(
    serve_labels: Serve, chromium: webdriver.Chrome
) -> None:
    page = serve_labels()
    chromium.get(page.url)
    name = shown(chromium)
    page.stop()
    press(chromium, "1")
    wait_for_text(chromium, "#trouble", "The program does not answer, so nothing was saved")
    assert measure(chromium, "current.name") == name
    chromium.get("about:blank")
    assert page.said() == {}


@pytest.mark.parametrize("asked", ["many", "next", "picture?name={}", "photo?name={}", "photo?name={}&size=small"])
def test_labels_are_taken_while_pictures_are_still_being_decoded(serve_labels: Serve, folder: Path, asked: str) -> None:
    pictures = SlowPictures(folder)
    page = serve_labels(pictures=pictures)
    name = "pi-1/pictures/item-0-glass.jpg"
    with ThreadPoolExecutor() as others:
        slow = [others.submit(page.ask, "GET", asked.format(quote(name))) for _ in range(3)]
        assert pictures.asked.wait(WAIT_S)
        status, answer = page.ask("POST", "label", {"pictures": [name], "label": "glass"})
        assert (status, json.loads(answer)["state"]["labelled"]) == (200, 1)
        assert page.ask("POST", "undo", {})[0] == 200
        assert not any(one.done() for one in slow)
        pictures.is_given.set()
        assert [one.result()[0] for one in slow] == [200] * 3


def test_a_program_that_is_ended_waits_for_no_more_than_the_picture_it_is_at(serve_labels: Serve, folder: Path) -> None:
    pictures = SlowPictures(folder)
    page = serve_labels(pictures=pictures)
    assert pictures.asked.wait(WAIT_S)
    page.server.stop()
    pictures.is_given.set()
    page.stop()
    assert len(page.page._session.proposals) <= 1


def test_nothing_is_told_without_the_address_that_the_terminal_shows(serve_labels: Serve) -> None:
    page = serve_labels()
    assert page.ask("GET", "next")[0] == 200
    for path in ("/", "/next", "/photo?name=x", f"{page.page.path[:-2]}/next", "/label.html"):
        assert page.ask("GET", path)[0] == 404
    assert page.ask("GET", "next", Host="evil.example")[0] == 421


def test_only_the_page_itself_may_label(serve_labels: Serve) -> None:
    page = serve_labels()
    good = {"pictures": ["pi-1/pictures/item-0-glass.jpg"], "label": "glass"}
    assert page.ask("POST", "/elsewhere/label", good)[0] == 405
    assert page.ask("POST", "label", good, Origin="http://evil.example")[0] == 403
    assert page.ask("POST", "label", good, Host="evil.example")[0] == 403
    assert page.ask("POST", "label", good, **{"Content-Type": "text/plain"})[0] == 415
    assert page.ask("POST", "label", b" " * (1 << 20))[0] == 413
    assert page.ask("GET", "label")[0] == 405
    assert page.said() == {}
    assert page.ask("POST", "label", good)[0] == 200
    assert page.said() == {"pi-1/pictures/item-0-glass.jpg": "glass"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{}", 400),
        ({"pictures": [], "label": "glass"}, 400),
        ({"pictures": ["a"] * 61, "label": "glass"}, 400),
        ({"pictures": ["../../etc/passwd"], "label": "glass"}, 409),
        ({"pictures": ["pi-1/pictures/item-0-glass.jpg", "gone.jpg"], "label": "glass"}, 409),
        ({"pictures": ["pi-1/pictures/item-0-glass.jpg"], "label": "gold\nx,glass,anna"}, 409),
        ({"pictures": ["pi-1/pictures/item-0-glass.jpg"], "label": 3}, 400),
    ],
)
def test_what_is_no_label_of_a_picture_here_is_refused(serve_labels: Serve, body: object, status: int) -> None:
    page = serve_labels()
    assert page.ask("POST", "label", body)[0] == status
    assert page.said() == {}


def test_only_pictures_of_the_folder_are_shown_and_always_as_a_new_jpeg(
    serve_labels: Serve, folder: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.png"
    cv2.imwrite(str(secret), np.zeros((9, 9, 3), np.uint8))
    (folder / "link.png").symlink_to(secret)
    with_text = folder / "a b&c.jpg"
    with_text.write_bytes((folder / "pi-1/pictures/item-0-metal.jpg").read_bytes() + b"<script>alert(1)</script>")
    page = serve_labels()
    for name in ("../secret.png", str(secret), "link.png", "labels-anna.csv", "", "gone.jpg"):
        assert page.ask("GET", f"photo?name={quote(name)}")[0] == 404
    status, content = page.ask("GET", f"photo?name={quote(with_text.name)}")
    assert status == 200
    assert "<script>" not in content
    assert page.ask("GET", f"photo?name={quote(with_text.name)}&size=99999")[0] == 404


def test_pictures_that_come_while_the_page_is_open_are_found_when_it_is_loaded_again(
    serve_labels: Serve, folder: Path
) -> None:
    page = serve_labels()
    total = json.loads(page.ask("GET", "next")[1])["state"]["total"]
    shutil.copy(folder / "pi-1/pictures/item-0-metal.jpg", folder / "new.jpg")
    assert re.search("Label pulled", page.ask("GET", "")[1])
    assert json.loads(page.ask("GET", "next")[1])["state"]["total"] == total + 1
