"""A port that another program has keeps nobody from sorting, and the page comes when it is free."""

from __future__ import annotations

import logging
import socket
import threading
from pathlib import Path

import httpx
import pytest
from support.stations import BELT, make_station

from edge.clock import NS_PER_S, ms
from edge.health.faults import FaultKind
from edge.health.retry import Backoff
from edge.health.state import INHIBITED_STATES
from edge.station.build import build_station
from edge.station.runtime import Runtime

pytestmark = pytest.mark.realtime

AT_MOST_S = 60.0


@pytest.mark.parametrize("as_service", [False, True])
def test_sorting_begins_without_the_page_and_the_page_comes_when_its_port_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, as_service: bool
) -> None:
    if as_service:
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "systemd"))
    taken = socket.create_server(("127.0.0.1", 0))
    port = taken.getsockname()[1]
    station = make_station(BELT, state_folder=tmp_path, page={"enabled": True, "port": port})
    runtime = Runtime(build_station(station))
    health = runtime.station.health
    health.retries.backoff = Backoff(first=ms(100), longest=ms(200), reset_time=60 * NS_PER_S)
    assert f"port {port}: another program uses it" in caplog.text
    caplog.set_level(logging.INFO)
    sorted_without = threading.Event()
    answers: list[int] = []

    def look(_now: int) -> None:
        there = any(fault.kind is FaultKind.PAGE_DOWN for fault in health.faults)
        if there and health.state not in INHIBITED_STATES:
            sorted_without.set()
            taken.close()
        elif sorted_without.is_set() and not there and not answers and runtime.station.page.server is not None:
            answers.append(httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=AT_MOST_S).status_code)
            runtime.stop()

    runtime.run(AT_MOST_S, look)
    assert answers == [200]
    assert f"the page is back: http://127.0.0.1:{port}/" in caplog.text
