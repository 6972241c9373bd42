"""The region drawn by a technician, in a real Chromium, and what else the page takes: nothing."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection

import numpy as np
import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from edge.errors import CameraError
from edge.types import Box, Image
from edge.web.region import RegionPage
from edge.web.serving.server import PageServer

WAIT_S = 60
SIZE = (640, 480)


@dataclass
class Served:
    page: RegionPage
    server: PageServer
    thread: threading.Thread

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}{self.page.path}"

    def post(self, path: str, body: bytes, **headers: str) -> tuple[int, str]:
        connection = HTTPConnection("127.0.0.1", self.server.port, timeout=WAIT_S)
        connection.request("POST", path, body, {"Content-Type": "application/json", **headers})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def picture() -> Image:
    return np.full((480, 640, 3), 90, np.uint8)


@pytest.fixture
def served() -> Iterator[Served]:
    page = RegionPage("line <1>", SIZE, Box(0, 60, 640, 360), picture)
    server = PageServer(page.app, "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    yield Served(page, server, thread)
    server.stop()
    thread.join(WAIT_S)


def value(chrome: webdriver.Chrome, name: str) -> int:
    return int(chrome.find_element(By.ID, name).get_property("value") or 0)  # type: ignore[arg-type]


def test_a_region_is_drawn_with_the_mouse(served: Served, chromium: webdriver.Chrome) -> None:
    chromium.get(served.url)
    WebDriverWait(chromium, WAIT_S).until(
        lambda _: chromium.execute_script("return document.getElementById('picture').naturalWidth") == 640
    )
    assert [value(chromium, name) for name in ("x", "y", "width", "height")] == [0, 60, 640, 360]
    view = chromium.find_element(By.ID, "view")
    scale = 640 / view.size["width"]
    corner = ActionChains(chromium).move_to_element_with_offset(view, round(-200 / scale), round(-150 / scale))
    corner.click_and_hold().move_by_offset(round(400 / scale), round(280 / scale)).release().perform()
    drawn = [value(chromium, name) for name in ("x", "y", "width", "height")]
    assert drawn == pytest.approx([120, 90, 400, 280], abs=4)
    chromium.find_element(By.ID, "use").click()
    served.thread.join(WAIT_S)
    assert served.page.drawn == Box(*drawn)
    assert "Go on at the terminal" in chromium.find_element(By.ID, "said").text
    chromium.get("about:blank")


def test_numbers_do_as_well_and_too_small_a_region_is_refused(served: Served, chromium: webdriver.Chrome) -> None:
    chromium.get(served.url)
    assert chromium.title == "Region of line <1>"
    chromium.execute_script("document.getElementById('form').noValidate = true")
    for name, number in {"x": 10, "y": 20, "width": 30, "height": 40}.items():
        element = chromium.find_element(By.ID, name)
        element.clear()
        element.send_keys(str(number))
    chromium.find_element(By.ID, "use").click()
    WebDriverWait(chromium, WAIT_S).until(lambda _: chromium.find_element(By.ID, "said").text)
    assert (
        chromium.find_element(By.ID, "said").text == "That is less than 32 x 32 pixels, or reaches out of the picture."
    )
    chromium.find_element(By.ID, "whole").click()
    chromium.find_element(By.ID, "use").click()
    served.thread.join(WAIT_S)
    assert served.page.drawn == Box(0, 0, *SIZE)
    chromium.get("about:blank")


def test_only_the_page_itself_may_draw(served: Served) -> None:
    good = json.dumps({"x": 0, "y": 0, "width": 100, "height": 100}).encode()
    region = f"{served.page.path}region"
    assert served.post("/elsewhere/region", good)[0] == 405
    assert served.post(region, good, Origin="http://evil.example")[0] == 403
    assert served.post(region, good, Host="evil.example")[0] == 403
    assert served.post(region, good, **{"Content-Type": "text/plain"})[0] == 415
    assert served.post(region, b" " * 400 + good)[0] == 413
    assert served.post(region, b"{}")[0] == 400
    assert served.post(region, json.dumps({"x": 600, "y": 0, "width": 100, "height": 100}).encode()) == (
        400,
        "That reaches out of the picture of 640 x 480.",
    )
    assert served.page.drawn is None
    assert served.post(region, good)[0] == 200
    assert served.page.drawn == Box(0, 0, 100, 100)


def test_a_camera_that_fails_ends_the_page_with_its_reason() -> None:
    def lost() -> Image:
        raise CameraError("the cable is loose")

    page = RegionPage("line", SIZE, Box(0, 0, 640, 480), lost)
    server = PageServer(page.app, "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    connection = HTTPConnection("127.0.0.1", server.port, timeout=WAIT_S)
    connection.request("GET", f"{page.path}picture.jpg")
    assert connection.getresponse().status == 503
    thread.join(WAIT_S)
    assert str(page.failure) == "the cable is loose"
