"""What changes in a station's health, in the words of the journal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from edge.health.faults import Fault, FaultKind, RecoveryAction
from edge.types import Event, EventKind, Severity

NO_LONGER: Final = "No longer: "


class HealthEvents:
    """Collects events until they are taken; belongs to whoever holds the lock of its `Health`."""

    def __init__(self) -> None:
        self._events: list[Event] = []

    def take(self) -> Sequence[Event]:
        """Return what happened since the last call, oldest first."""
        events, self._events = self._events, []
        return events

    def raised(self, fault: Fault) -> None:
        text = f"{fault.text} {fault.spec.advice}"
        self._add(EventKind.FAULT, fault.raised_at, text, fault.spec.severity, fault.kind)

    def cleared(self, fault: Fault, at: int) -> None:
        self._add(EventKind.CLEARED, at, NO_LONGER + fault.text, Severity.NOTE, fault.kind)

    def tried(self, kind: FaultKind, step: RecoveryAction, tries: int, at: int) -> None:
        self._add(EventKind.RECOVERY, at, f"Trying {step} against {kind} (try {tries}).", Severity.WARNING, kind)

    def changed(self, before: str, after: str, severity: Severity, at: int) -> None:
        """Another state applies."""
        self._add(EventKind.STATE, at, f"{before} -> {after}", severity, after)

    def person(self, kind: EventKind, text: str, at: int) -> None:
        """A person did something."""
        self._add(kind, at, text, Severity.WARNING, kind if kind in (EventKind.PAUSE, EventKind.RESUME) else "")

    def _add(self, kind: EventKind, at: int, text: str, severity: Severity, code: str) -> None:
        self._events.append(Event(kind, at, text, severity, str(code)))
