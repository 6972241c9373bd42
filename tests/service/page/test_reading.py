"""Who may look at a page that the network reaches."""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait
from support.browser import WAIT_S, measure, wait_for_text
from support.page import sign_in
from support.paths import ROOT

from edge.clock import SystemClock, ms
from edge.config.service import Page
from edge.health.state import State
from edge.web.station.pages import PAGES
from edge.web.station.token import make_token, read_token

PUBLIC = {"/healthz", "/session", "/enter", "/words.js"}


@pytest.fixture
def page(serve: Callable[..., Any]) -> Any:
    return serve(SystemClock(), open=False)


@pytest.fixture
def web(page: Any) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=page.url, timeout=10) as client:
        yield client


@pytest.mark.parametrize(
    ("settings", "is_open"),
    [
        ({}, True),
        ({"host": "localhost"}, True),
        ({"host": "::1"}, True),
        ({"host": "127.0.0.7"}, True),
        ({"host": "0.0.0.0"}, False),
        ({"host": "::"}, False),
        ({"host": ""}, False),
        ({"host": "192.168.1.5"}, False),
        ({"host": "line-1.local"}, False),
        ({"names": ["sorter.example.org"]}, False),
        ({"host": "0.0.0.0", "open": True}, True),
        ({"open": False}, False),
    ],
)
def test_only_a_page_that_nobody_else_reaches_is_open_by_itself(settings: dict[str, Any], is_open: bool) -> None:
    assert Page(**settings).is_open is is_open


def test_a_stranger_sees_nothing_of_the_station(page: Any, web: httpx.Client) -> None:
    page.station.decide("glass", "glass")
    paths = {route.path.replace("{name}", "1.jpg") for route in page.server.app.routes if "GET" in route.methods}
    assert {"/api/status", "/events", "/metrics", "/belt.jpg", "/crops/1.jpg"} <= paths
    addresses = {named.address for named in PAGES}
    for path in sorted(paths | {"/nowhere", "/docs", "/api/status/", "/API/STATUS", "/%61pi/status"}):
        answer = web.get(path)
        if path in addresses:
            assert (answer.status_code, answer.headers["location"]) == (303, f"/enter?to={path}")
        elif path in PUBLIC or path.endswith((".js", ".css", ".svg")):
            assert (answer.status_code, "yard" in answer.text) == (200, False), path
        else:
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer"), path
        assert "glass" not in answer.text or path.endswith(".js"), path


def test_who_signed_in_and_a_script_with_the_token_see_all(page: Any, web: httpx.Client) -> None:
    token = read_token(page.station.folder)
    for path in ("/", "/bins", "/api/status", "/metrics"):
        assert web.get(path, headers={"Authorization": f"Bearer {token}"}).status_code == 200
    assert web.get("/metrics", headers={"Authorization": f"Bearer {token}x"}).status_code == 403
    sign_in(web, page.station.folder)
    for path in ("/", "/bins", "/api/status", "/metrics"):
        assert web.get(path).status_code == 200


def test_a_stream_ends_when_the_token_is_replaced(page: Any, web: httpx.Client) -> None:
    sign_in(web, page.station.folder)
    with web.stream("GET", "/events") as events:
        lines = events.iter_lines()
        assert next(line for line in lines if line.startswith("data: "))
        make_token(page.station.folder)
        assert sum(1 for _ in lines) < 100  # it ends; it would be endless
    assert web.get("/api/status").status_code == 401


def test_a_person_signs_in_at_the_entrance_and_goes_on_to_the_page(page: Any, browser: webdriver.Chrome) -> None:
    browser.get(f"{page.url}/bins")
    wait_for_text(browser, "h1", "Only who signed in may look")
    wait_for_text(browser, "#sign-in", "Sign in")
    assert measure(browser, "document.cookie") == ""
    browser.find_element(By.ID, "sign-in").click()
    WebDriverWait(browser, WAIT_S).until(lambda _: measure(browser, "document.getElementById('ask-token').open"))
    browser.switch_to.active_element.send_keys(read_token(page.station.folder), Keys.ENTER)
    wait_for_text(browser, "#bins", "glass")
    assert measure(browser, "location.pathname") == "/bins"
    wait_for_text(browser, "#title", "Running")
    wait_for_text(browser, "#sign-in", "Sign out")
    browser.find_element(By.ID, "sign-in").click()
    wait_for_text(browser, "h1", "Only who signed in may look")


@pytest.mark.parametrize("to", ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)"])
def test_the_entrance_leads_nowhere_else(page: Any, chromium: webdriver.Chrome, to: str) -> None:
    chromium.get(f"{page.url}/enter?to={to}#token={read_token(page.station.folder)}")
    wait_for_text(chromium, "#title", "Running")
    assert measure(chromium, "location.href") == f"{page.url}/"


def test_a_session_that_is_over_leads_back_to_the_entrance(page: Any, chromium: webdriver.Chrome) -> None:
    page.station.live.publish_state(State.RUNNING)
    chromium.get(f"{page.url}/#token={read_token(page.station.folder)}")
    wait_for_text(chromium, "#title", "Running")
    make_token(page.station.folder)
    WebDriverWait(chromium, WAIT_S).until(lambda _: measure(chromium, "location.pathname") == "/enter")


def test_prometheus_asks_with_the_token_as_the_documentation_has_it(page: Any, tmp_path: Path) -> None:
    written = re.search(
        r"^(scrape_configs:.*?)^```$", (ROOT / "docs/monitoring.md").read_text(), re.DOTALL | re.MULTILINE
    )
    assert written is not None
    settings = yaml.safe_load(written[1])
    (job,) = settings["scrape_configs"]
    (tmp_path / job["authorization"]["credentials_file"]).write_text(read_token(page.station.folder) + "\n")
    job["static_configs"] = [{"targets": [f"127.0.0.1:{page.server.port}"]}]
    without = {**job, "job_name": "without"}
    del without["authorization"]
    settings = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": [job, without]}
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(settings))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    options = [f"--storage.tsdb.path={tmp_path}/data", f"--web.listen-address=127.0.0.1:{port}"]
    command = ["prometheus", f"--config.file={tmp_path}/prometheus.yml", *options]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd=tmp_path) as prometheus:
        try:
            assert health_of_targets(port) == {"sorter": "up", "without": "down"}
        finally:
            prometheus.kill()


def health_of_targets(port: int) -> dict[str, str]:
    """Ask Prometheus until it knows of every target whether it answers."""
    clock, health = SystemClock(), {"": "unknown"}
    until = clock.now() + ms(60_000)
    while "unknown" in health.values() and clock.now() < until:
        clock.sleep_until(clock.now() + ms(200))
        with suppress(httpx.TransportError):
            answer = httpx.get(f"http://127.0.0.1:{port}/api/v1/targets", timeout=10)
            if answer.status_code == 503:  # it is still reading its own data
                continue
            told = answer.json()["data"]["activeTargets"]
            health = {target["labels"]["job"]: target["health"] for target in told} or health
    return health
