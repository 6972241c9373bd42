"""Requests to the page, byte by byte."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from pathlib import Path

from edge.clock import SystemClock
from edge.config import load_station
from edge.status.live import LiveView
from edge.web.serving.server import PageServer
from edge.web.station.app import build_app
from fuzzing.case import Case, mutate
from fuzzing.examples import STATIONS

ADDRESSES = (
    b"/api/status?since=3",
    b"/api/counts?from=2026-05-01&to=2026-05-02T14:30&step=hour&by=bin,reason",
    b"/api/search?from=2026-05-01&reason=unsure&least=0.25&most=1&before=90&limit=5",
    b"/kept/0123abcd-00000017-1.jpg",
)
REST = b" HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\nContent-Length: 0\r\n\r\n"
PATIENCE_S = 10.0


def request(folder: Path) -> Callable[[Case], None]:
    """Send one to a page that is up; it has to go on answering."""
    clock = SystemClock()
    app = build_app(LiveView(clock), load_station(STATIONS / "demo.toml"), folder / "none.db", clock)
    page = PageServer(app, "127.0.0.1", 0)
    threading.Thread(target=page.run, daemon=True).start()

    def run(case: Case) -> None:
        content = mutate(b"GET " + case.chance.choice(ADDRESSES) + REST, case.chance)
        with socket.create_connection(("127.0.0.1", page.port), timeout=PATIENCE_S) as visitor:
            visitor.sendall(content)
            visitor.shutdown(socket.SHUT_WR)
            while visitor.recv(65536):
                pass

    return run
