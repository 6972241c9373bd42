"""What goes wrong in the program's own surroundings: model, disk, pins, machine; the world has the rest."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from edge.clock import ms
from edge.errors import ClassifierError
from edge.health.monitors import Observer
from edge.health.monitors.machine import MachineState
from edge.interfaces import Classifier
from edge.journal.database import Connection, connect_for_writing
from edge.line import Outcome
from edge.simulate.world.faults import InjectedFault
from edge.types import Crop, Prediction

IsActive = Callable[[InjectedFault], bool]

SLOWER = 3  # a hot Pi at half its clock, and something else that runs on it
STUCK_NS = ms(200)
FAR_TOO_SLOW_NS = ms(2500)

HANGING = (InjectedFault.JOURNAL_SLOW, InjectedFault.JOURNAL_BLOCKED)
_DISK = {
    InjectedFault.DISK_FULL: (sqlite3.SQLITE_FULL, "database or disk is full"),
    InjectedFault.DISK_READ_ONLY: (sqlite3.SQLITE_READONLY, "attempt to write a readonly database"),
    InjectedFault.DISK_ERROR: (sqlite3.SQLITE_IOERR, "disk I/O error"),
}


class FaultyClassifier:
    """A classifier whose inferences take a modelled time, and that fails, gets slow or stuck while told so."""

    def __init__(self, inner: Classifier, invoke_ns: int, spend: Callable[[int], None], is_active: IsActive) -> None:
        self._inner, self._invoke_ns, self._spend, self._is_active = inner, invoke_ns, spend, is_active

    @property
    def labels(self) -> tuple[str, ...]:
        return self._inner.labels

    def classify(self, crops: Sequence[Crop], budget: int) -> Prediction:
        while self._is_active(InjectedFault.CLASSIFIER_STUCK):
            self._spend(STUCK_NS)
        if self._is_active(InjectedFault.CLASSIFIER_FAILED):
            raise ClassifierError("the simulated model fails")
        prediction = self._inner.classify(crops, budget)
        self._spend(prediction.crops_used * self._duration())
        return prediction

    def close(self) -> None:
        self._inner.close()

    def _duration(self) -> int:
        if self._is_active(InjectedFault.OVERLOADED):
            return FAR_TOO_SLOW_NS
        return self._invoke_ns * (SLOWER if self._is_active(InjectedFault.CLASSIFIER_SLOW) else 1)


class SimulatedBugError(RuntimeError):
    """What no part of the program expects."""


class Bug(Observer):
    """Is met by whoever decides an item while told so."""

    def __init__(self, is_active: IsActive) -> None:
        self._is_active = is_active

    def on_outcome(self, outcome: Outcome, now: int) -> None:
        if self._is_active(InjectedFault.PROGRAM_ERROR):
            raise SimulatedBugError("a simulated bug")


class FaultyDisk:
    """SQLite's connection on a disk that refuses while told so; in real time it hangs too, a `wait` at a time."""

    def __init__(self, inner: Connection, is_active: IsActive, wait: Callable[[], object] | None = None) -> None:
        self._inner, self._is_active, self._wait = inner, is_active, wait

    @property
    def in_transaction(self) -> bool:
        return bool(getattr(self._inner, "in_transaction", True))

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> Any:
        self._refuse()
        return self._inner.execute(sql, parameters)

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> Any:
        self._refuse()
        return self._inner.executemany(sql, parameters)

    def close(self) -> None:
        self._inner.close()

    def _refuse(self) -> None:
        while self._wait is not None and any(self._is_active(kind) for kind in HANGING):
            self._wait()
        for injected, (code, text) in _DISK.items():
            if self._is_active(injected):
                error = sqlite3.OperationalError(text)
                error.sqlite_errorcode = code
                raise error


def faulty_connect(is_active: IsActive, wait: Callable[[], object] | None = None) -> Callable[[Path], Connection]:
    """Return what opens a journal's file on a disk that refuses while told so (see `FaultyDisk`)."""
    return lambda path: FaultyDisk(connect_for_writing(path), is_active, wait)


def machine_state(is_active: IsActive) -> MachineState:
    """Return what the simulated machine says of itself."""
    return MachineState(
        temperature_c=82.0 if is_active(InjectedFault.HOT) else 55.0,
        throttled=is_active(InjectedFault.THROTTLED),
        under_voltage=is_active(InjectedFault.UNDER_VOLTAGE),
        date_is_set=not is_active(InjectedFault.CLOCK_UNSET),
    )
