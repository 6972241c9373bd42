"""The page of the bins, as a server's answer and in a real Chromium."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from support.browser import measure, resize, wait_for_text

from edge.clock import NS_PER_S, SystemClock, VirtualClock
from edge.health.faults import Fault, FaultKind
from edge.health.state import State
from edge.status.snapshot import SeenPurity

EMPTIED = datetime(2026, 5, 1, 12, tzinfo=UTC).timestamp()
PURE = SeenPurity(0.975, 0.871, 0.996, 40, 0, EMPTIED, unlabelled=12)


def bins_of(page: Any) -> dict[str, dict[str, Any]]:
    answer = httpx.get(page.url + "/api/bins", timeout=10)
    assert answer.status_code == 200
    return {where["name"]: where for where in answer.json()["bins"]}


def test_a_bin_says_how_full_it_is_how_pure_and_what_is_asked_for(serve: Callable[..., Any]) -> None:
    clock = VirtualClock()
    page = serve(clock)
    page.station.decide("glass", "glass")
    page.station.live.publish_model("waste", "1.0", {"glass": 0.9})
    page.station.live.publish_levels({"glass": 17, "metal": 3}, {"glass": EMPTIED})
    page.station.live.publish_purity({"glass": PURE})
    clock.advance_to(clock.now() + 3600 * NS_PER_S)
    glass, metal, _ = bins_of(page).values()
    assert (glass["level"], glass["emptied_at"], glass["per_hour"]) == (17, "2026-05-01T12:00:00+00:00", 1.0)
    assert (glass["thresholds"], metal["thresholds"]) == ({"glass": 0.9}, {"metal": None})
    assert (glass["purity"]["share"], glass["purity"]["unlabelled"], metal["purity"]) == (0.975, 12, None)
    assert glass["actuator"]["strokes"] == {"fired": 1, "cancelled": 0, "refused": 0, "failed": 0}
    assert (metal["level"], metal["emptied_at"], metal["full_at"]) == (3, None, None)


def test_a_bin_with_a_capacity_says_when_it_will_be_full(serve: Callable[..., Any]) -> None:
    clock = VirtualClock()
    page = serve(clock, capacity=50)
    for _ in range(10):
        page.station.decide("glass", "glass")
    page.station.live.publish_levels({"glass": 40})
    clock.advance_to(clock.now() + 3600 * NS_PER_S)
    full_at = datetime.fromisoformat(bins_of(page)["glass"]["full_at"]).timestamp()
    assert full_at == pytest.approx(clock.wall_time() + 3600, abs=2)


def test_the_bins_are_asked_for_once_however_many_look(serve: Callable[..., Any]) -> None:
    page = serve(SystemClock())
    rates = [httpx.get(page.url + "/api/bins", timeout=10).json()["rates_since"] for _ in range(4)]
    assert len(set(rates)) == 1


@pytest.mark.parametrize("width", [360, 1400])
def test_the_page_tells_it_in_words_and_a_full_bin_stands_out(
    serve: Callable[..., Any], browser: webdriver.Chrome, width: int
) -> None:
    page = serve(SystemClock(), capacity=50)
    page.station.decide("glass", "glass")
    page.station.live.publish_levels({"glass": 40, "metal": 2, "residual": 5})
    page.station.live.publish_purity({"glass": PURE})
    page.station.live.publish_state(State.DEGRADED, [Fault(FaultKind.BIN_FULL, 0, "metal")])
    resize(browser, width, 900)
    browser.get(page.url + "/bins")
    wait_for_text(browser, "#bins", "40\nof 50 items in it")
    wait_for_text(browser, "#bins", "12 more pictures wait for a label")
    wait_for_text(browser, "#bins", "1 fired, 0 cancelled, 0 refused, 0 failed")
    _, metal, residual = browser.find_elements(By.CSS_SELECTOR, ".bin")
    assert "FULL" in metal.text
    assert "it is full now" in metal.text
    assert "FULL" not in residual.text
    assert "none: the end of the belt" in residual.text
    assert measure(browser, "document.documentElement.scrollWidth") <= width
