"""The durable record of what was sorted: a bounded queue, one writer, one SQLite file."""

from __future__ import annotations

import uuid
from contextlib import suppress
from pathlib import Path

from edge import __version__
from edge.clock import present_boot_id
from edge.config.service import JournalSettings
from edge.interfaces import Clock
from edge.journal.database import Connect, Run, connect_for_writing
from edge.journal.entries import DeliveryEntry
from edge.journal.recording import Counts, Journal, run_writer
from edge.journal.storing import Storage
from edge.system.files import claim_folder, make_folder

__all__ = ["Counts", "DeliveryEntry", "Journal", "open_journal", "run_writer"]


def open_journal(
    folder: Path,
    settings: JournalSettings,
    clock: Clock,
    run_id: str | None = None,
    boot_id: str | None = None,
    connect: Connect = connect_for_writing,
) -> Journal:
    """Return the journal of the state folder; its file `journal.db` is opened by the first `store_pending`.

    `run_id` must never be used twice in one folder; it and `boot_id` are given where two runs shall
    leave identical journals; `connect` opens the file.

    Raises:
        JournalError: another process writes a journal there.
    """
    with suppress(OSError):  # a disk that refuses is reported by the journal's counts; sorting goes on
        make_folder(folder)
    claim = claim_folder(folder)
    run = Run(
        run_id=run_id or uuid.uuid4().hex,
        boot_id=boot_id or present_boot_id(),
        version=__version__,
        started_at=clock.now(),
        wall_time=clock.wall_time(),
    )
    return Journal(Storage(folder / "journal.db", settings, clock, run, connect), settings, clock, claim)
