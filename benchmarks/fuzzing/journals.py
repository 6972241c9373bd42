"""Journals that are damaged."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from edge.clock import VirtualClock
from edge.config.service import JournalSettings
from edge.errors import JournalError
from edge.journal import open_journal
from edge.journal.reading import check_journal
from edge.types import Event, EventKind
from fuzzing.case import Case, mutate


def journal(folder: Path) -> Callable[[Case], None]:
    """The next start goes on with the file or sets it aside, and stores."""
    record(folder)
    whole = (folder / "journal.db").read_bytes()

    def run(case: Case) -> None:
        path = case.folder / "journal.db"
        path.write_bytes(mutate(whole, case.chance))
        with suppress(JournalError):
            check_journal(path)
        record(case.folder)

    return run


def record(folder: Path) -> None:
    """Store 50 events in the folder's journal."""
    clock = VirtualClock()
    journal = open_journal(folder, JournalSettings(), clock)
    for n in range(50):
        journal.record(Event(EventKind.STATE, clock.now(), f"event {n}"))
    journal.close()
    journal.close()
    if journal.counts.pending or journal.counts.lost:
        assert not folder.is_dir(), f"not stored: {journal.counts}"
        assert journal.counts.error, "nothing is said of what could not be stored"
