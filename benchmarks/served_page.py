"""A station's page, served in this process as `sorter run` does: for benchmarks."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edge.clock import SystemClock
from edge.config import load_station
from edge.health.state import State
from edge.status.live import LiveView
from edge.system.realtime import Priority, real_time
from edge.web.serving.server import PageServer
from edge.web.station.app import build_app

STATION = Path(__file__).resolve().parents[1] / "edge" / "stations" / "demo.toml"


@dataclass(frozen=True)
class Served:
    """A page that is being served in a thread of its own, as `sorter run` does."""

    live: LiveView
    port: int
    thread: threading.Thread

    def cpu_s(self) -> float:
        """Return the processor's time that its thread has taken so far."""
        assert self.thread.ident is not None
        return time.clock_gettime(time.pthread_getcpuclockid(self.thread.ident))


@contextmanager
def served() -> Iterator[Served]:
    """Serve the page of the demo's station, without a journal, on a free port."""
    clock, station = SystemClock(), load_station(STATION)
    live = LiveView(clock, ("waste", "2.0"))
    live.publish_state(State.RUNNING)
    server = PageServer(build_app(live, station, None, clock), "127.0.0.1", 0)

    def serve() -> None:
        with real_time(Priority.PAGE):
            server.run()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield Served(live, server.port, thread)
    finally:
        server.stop()
        thread.join()
