"""Stations that run in real time, with all their threads, until something has happened or the test ends them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.stations import BELT, make_station, varied

from edge.config import load_station
from edge.health.state import State
from edge.station.build import build_station
from edge.station.runtime import Runtime

AT_MOST_S = 90.0
WELL = (State.RUNNING, State.STARVED)
# The belt with a relay, and a page on which a person may stop it.
SWITCHED = varied(BELT, {"belt": {"run_pin": 21}, "page": {"enabled": True, "port": 0, "controls": True}})


def run_until(runtime: Runtime, reached: Callable[[], bool]) -> None:
    """Run until the condition holds after a tick of the supervisor; it has to."""
    seen = threading.Event()

    def look(_now: int) -> None:
        if not seen.is_set() and reached():
            seen.set()
            runtime.stop()

    runtime.run(AT_MOST_S, look)
    assert seen.is_set()


class Running:
    """A station that runs in a thread until the test ends it; one from a `file` can be taught from its page."""

    def __init__(self, folder: Path, file: Path | None = None, **changes: Any) -> None:
        self.folder = folder
        settings = load_station(file) if file else make_station(SWITCHED, state_folder=folder, **changes)
        self.station = build_station(settings, file=file)
        self.runtime = Runtime(self.station)
        self._turned = threading.Condition()
        self._states = (State.FAULT, State.FAULT)
        self._thread = threading.Thread(target=self.runtime.run, args=(AT_MOST_S, self._look))
        self._thread.start()

    def _look(self, _now: int) -> None:
        with self._turned:
            self._states = (self._states[1], self.station.health.state)
            self._turned.notify_all()

    def wait_for(self, *states: State) -> None:
        """Wait until a whole turn of the supervisor has found the station in one of these states."""
        with self._turned:
            self._states = (State.FAULT, State.FAULT)
            assert self._turned.wait_for(lambda: set(self._states) <= set(states), AT_MOST_S), states

    def wait_until(self, reached: Callable[[], bool]) -> None:
        """Wait until the condition holds after a turn of the supervisor."""
        with self._turned:
            assert self._turned.wait_for(reached, AT_MOST_S)

    @property
    def belt_runs(self) -> bool:
        return bool(self.station.environment.pins.pin(21).state)

    @property
    def url(self) -> str:
        assert self.station.page.server is not None
        return self.station.page.server.url.rstrip("/")

    def end(self) -> None:
        self.runtime.stop()
        self._thread.join(AT_MOST_S)
        assert not self._thread.is_alive()


@contextmanager
def running(folder: Path, file: Path | None = None, **changes: Any) -> Iterator[Running]:
    station = Running(folder, file, **changes)
    try:
        yield station
    finally:
        station.end()
