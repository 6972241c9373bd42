"""Stations that run in real time, with all their threads, until something has happened."""

from __future__ import annotations

import threading
from collections.abc import Callable

from edge.station.runtime import Runtime

AT_MOST_S = 60.0


def run_until(runtime: Runtime, reached: Callable[[], bool]) -> None:
    """Run until the condition holds after a tick of the supervisor; it has to."""
    seen = threading.Event()

    def look(_now: int) -> None:
        if not seen.is_set() and reached():
            seen.set()
            runtime.stop()

    runtime.run(AT_MOST_S, look)
    assert seen.is_set()
