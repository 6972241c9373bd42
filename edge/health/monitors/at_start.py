"""What was found damaged when the station was put together: named until a person has taken note of it."""

from __future__ import annotations

from collections.abc import Iterator

from edge.health.faults import FaultKind
from edge.health.monitors import Observer


class StartMonitor(Observer):
    """Reports what was found at the start until a reset."""

    kinds = frozenset({FaultKind.CALIBRATION_DAMAGED})

    def __init__(self, *, calibration_damaged: bool) -> None:
        self._calibration_damaged = calibration_damaged

    def on_reset(self, *, after_stop: bool) -> None:
        self._calibration_damaged = False

    def faults(self, now: int) -> Iterator[tuple[FaultKind, str]]:
        if self._calibration_damaged:
            yield FaultKind.CALIBRATION_DAMAGED, ""
