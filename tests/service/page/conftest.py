"""A page that is really served, in front of a station made up by the test."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import cv2
import httpx
import numpy as np
import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from support.browser import requests_of
from support.stations import YARD, make_station

from edge.clock import SystemClock, VirtualClock, ms
from edge.devices.actuators.schedule import Jog
from edge.errors import ControlError
from edge.health.state import State
from edge.interfaces import Sighting
from edge.line import Outcome
from edge.status.live import LiveView
from edge.types import Actuation, Box, Crop, Decision, Frame, Image, Item, Reason, Stroke, StrokeOutcome
from edge.web.serving.server import PageServer
from edge.web.serving.visitors import origin_of
from edge.web.station.actions import ModelChoice
from edge.web.station.app import build_app
from edge.web.station.token import PageToken, make_token_if_missing
from edge.web.station.words import RefusedText
from generate.example import TaughtExample


@dataclass
class NotedTeaching(TaughtExample):
    """Notes what it is asked for beside looking."""

    pressed: list[tuple[str, str]]

    def ask(self, action: str, by: str, values: Mapping[str, str]) -> Future[dict[str, Any]]:
        if action != "look":
            self.pressed.append((action, by))
        return super().ask(action, by, values)


@dataclass
class MadeUpStation:
    """Publishes what a station would, one photo at a time in the middle of the picture."""

    live: LiveView
    clock: VirtualClock | SystemClock
    photos: dict[str, Image]
    folder: Path
    pressed: list[tuple[str, str]] = field(default_factory=list)
    teaching: NotedTeaching = field(init=False)
    items: int = 0
    frames: int = 0
    box: Box = field(default_factory=lambda: Box(260, 170, 140, 140))

    def __post_init__(self) -> None:
        self.teaching = NotedTeaching(self.pressed)

    def press(self, action: str, who: str) -> None:
        """Note what a person asked for, and show it."""
        self.pressed.append((action, who))
        if action == "pause":
            self.live.publish_state(State.STOPPED, paused_by=who)
        else:
            self.live.publish_state(State.RUNNING)

    def reset(self, by: str) -> None:
        self.pressed.append(("reset", by))
        self.live.publish_state(State.RUNNING)

    def empty(self, bin_name: str, by: str) -> None:
        self.pressed.append((f"empty {bin_name}", by))
        self.live.publish_state(State.RUNNING)

    def jog(self, name: str, position: str, by: str) -> Jog:
        if self.pressed[-1:] != [("pause", by)]:
            raise ControlError(RefusedText.NOT_STOPPED)
        return Jog(name, position, 0, lambda: True, StrokeOutcome.FIRED)

    def models(self) -> ModelChoice:
        return ModelChoice("waste-2.0", "waste-1.0", 7)

    def roll_back(self, generation: int, by: str) -> ModelChoice:
        self.pressed.append((f"roll back from {generation}", by))
        return ModelChoice("waste-1.0", "waste-2.0", generation + 1)

    def show(self, label: str = "", item_id: int = 0) -> Frame:
        """Publish a frame with that label's photo on a grey belt."""
        pixels = np.full((480, 640, 3), 70, np.uint8)
        sightings = []
        if label:
            box = self.box
            pixels[box.y : box.y + box.height, box.x : box.x + box.width] = self.photos[label]
            sightings.append(Sighting(box, track_id=1, item_id=item_id))
        self.frames += 1
        frame = Frame(pixels, self.clock.now(), self.frames)
        self.live.publish_frame(frame, sightings)
        return frame

    def decide(
        self, label: str, where: str, reason: Reason = Reason.SORTED, score: float = 0.97, said: str | None = None
    ) -> int:
        """Publish an item with that photo, and its stroke if it is diverted; `said` is the label if another."""
        self.items += 1
        frame = self.show(label, self.items)
        now = self.clock.now()
        actuation = None
        if where != "residual":
            actuation = Actuation(f"flap-{where}", now + ms(700), now + ms(800), (self.items,))
        crop = Crop(frame.pixels, self.box, frame.captured_at, 100.0, 1.0)
        decision = Decision(self.items, where, reason, now, label if said is None else said, score, 0.5)
        item = Item(self.items, now - ms(12), (crop,))
        self.live.publish_outcome(Outcome(item, None, decision, actuation, ms(15)))
        if actuation is not None:
            self.live.publish_stroke(Stroke(actuation, actuation.fire_at, actuation.release_at))
        return self.items


@dataclass
class ServedPage:
    """The page of a made-up station, on a free port of this machine."""

    server: PageServer
    station: MadeUpStation
    thread: threading.Thread

    @property
    def url(self) -> str:
        return self.server.url.rstrip("/")

    def stop(self) -> None:
        self.server.stop()
        self.thread.join(10)
        assert not self.thread.is_alive()


@pytest.fixture(scope="session")
def waste_photos(photo_dir: Path) -> dict[str, Image]:
    """One real photo of each label, 140 pixels a side."""
    photos: dict[str, Image] = {}
    for label in ("glass", "metal", "trash"):
        photo = cv2.imread(str(min((photo_dir / label).glob("*.jpg"))))
        photos[label] = cv2.cvtColor(cv2.resize(photo, (140, 140)), cv2.COLOR_BGR2RGB).astype(np.uint8)
    return photos


def start_page(
    folder: Path,
    photos: dict[str, Image],
    clock: VirtualClock | SystemClock,
    port: int = 0,
    patience_s: float = 10,
    origin: Callable[[str], str] = origin_of,
    capacity: int | None = None,
    **page: object,
) -> ServedPage:
    """Serve it; `page` are settings of that section of the station file."""
    counted = {} if capacity is None else {"bins": {"glass": {"capacity": capacity}}}
    checked = make_station(YARD, state_folder=folder, page=page, **counted)
    # No station file may hold such a name; the page must not rely on that.
    station = checked.model_copy(update={"name": "yard <3>"})
    live = LiveView(clock, ("waste", "1.0"))
    live.publish_state(State.RUNNING)
    make_token_if_missing(folder)
    token = PageToken(folder)
    token.look()
    made_up = MadeUpStation(live, clock, photos, folder)
    app = build_app(live, station, folder / "journal.db", clock, made_up, token)
    server = PageServer(app, "127.0.0.1", port, patience_s, origin)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    return ServedPage(server, made_up, thread)


@pytest.fixture
def serve(tmp_path: Path, waste_photos: dict[str, Image]) -> Iterator[Callable[..., ServedPage]]:
    """Serve pages of made-up stations until the test ends."""
    served: list[ServedPage] = []

    def start(
        clock: VirtualClock | SystemClock,
        port: int = 0,
        patience_s: float = 10,
        origin: Callable[[str], str] = origin_of,
        capacity: int | None = None,
        **page: object,
    ) -> ServedPage:
        served.append(start_page(tmp_path, waste_photos, clock, port, patience_s, origin, capacity, **page))
        return served[-1]

    yield start
    for page in served:
        page.stop()


@pytest.fixture(scope="module")
def idle_page(tmp_path_factory: pytest.TempPathFactory, waste_photos: dict[str, Image]) -> Iterator[ServedPage]:
    """Serve the page of a station on which nothing happens, to all tests of a module."""
    page = start_page(tmp_path_factory.mktemp("idle"), waste_photos, VirtualClock())
    yield page
    page.stop()


@pytest.fixture(scope="module")
def chromium() -> Iterator[webdriver.Chrome]:
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    assert browser, "these tests look at the page with a real browser: apt-get install chromium chromium-driver"
    assert driver, "these tests steer the browser with its driver: apt-get install chromium-driver"
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with webdriver.Chrome(options=options, service=Service(driver)) as chrome:
        yield chrome


@pytest.fixture
def browser(chromium: webdriver.Chrome) -> Iterator[webdriver.Chrome]:
    """Chromium for one test, which must leave no complaint in the console and ask nobody but the page's server."""
    chromium.get_log("browser")
    chromium.get_log("performance")
    yield chromium
    asked = [url for url in requests_of(chromium) if urlsplit(url).scheme not in ("blob", "data", "about", "chrome")]
    complaints = chromium.get_log("browser")
    chromium.get("about:blank")
    chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert {urlsplit(url).hostname for url in asked} == {"127.0.0.1"}
    assert complaints == []


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def page(serve: Callable[..., ServedPage], clock: VirtualClock) -> ServedPage:
    """A page whose station's time stands still; browser tests have one of their own, whose time goes on."""
    return serve(clock)


@pytest.fixture
def web(page: ServedPage) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=page.url, timeout=20) as client:
        yield client


@pytest.fixture
def idle_web(idle_page: ServedPage) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=idle_page.url, timeout=20) as client:
        yield client
