"""What keeps the journal from storing, and what it had to set aside."""

from __future__ import annotations

from collections.abc import Iterator

from edge.health.faults import FaultKind
from edge.health.monitors import Observer
from edge.journal.recording import Journal


class JournalMonitor(Observer):
    """Reports the disk's present error, and a journal that was damaged until a person has taken note of it."""

    kinds = frozenset({FaultKind.DISK_FULL, FaultKind.DISK_READ_ONLY, FaultKind.DISK_ERROR, FaultKind.JOURNAL_DAMAGED})

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._known_damages = 0

    def on_reset(self, *, after_stop: bool) -> None:
        self._known_damages = self._journal.damages

    def faults(self, now: int) -> Iterator[tuple[FaultKind, str]]:
        error = self._journal.counts.error.fault
        if error is not None:
            yield error, ""
        if self._journal.damages > self._known_damages:
            yield FaultKind.JOURNAL_DAMAGED, ""
