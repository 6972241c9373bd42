"""The program killed at random instants, again and again over one state folder.

SORTER_POWER_CUTS=all kills 500 times, otherwise 40.
"""

from __future__ import annotations

import os
import random
import select
import signal
import struct
from itertools import count
from pathlib import Path

import pytest
from support.journal import build_journal, items_in, outcome, stroke
from support.power_cut import THOROUGH, TIME_LIMIT

from edge.clock import SystemClock, ms
from edge.config.service import JournalSettings
from edge.journal.reading import check_journal
from edge.system.files import remove_stale_temp_files, write_atomically
from edge.types import Event, EventKind

pytestmark = [pytest.mark.realtime, *TIME_LIMIT]

CUTS = 500 if THOROUGH else 40
NUMBER = struct.Struct("<Q")
# A small file, so that logs are checkpointed and old rows dropped while the power goes.
SETTINGS = JournalSettings(max_mb=1, batch_ms=50, keep_crops="none")


def settings_text(number: int) -> bytes:
    return f"number = {number}\n".encode() * 400


def work_until_killed(folder: Path, first: int, run_id: str, confirmations: int) -> None:
    """Record and store items from `first` on; write the number of each confirmed one to the pipe."""
    clock = SystemClock()
    journal = build_journal(folder, clock, SETTINGS, run_id=run_id)
    for item_id in count(first):
        entry = outcome(item_id - first + 1, clock.now())
        journal.record(entry)
        journal.record(stroke(entry))
        if item_id % 3 == 0:
            journal.store_pending()
            write_atomically(folder / "calibration.toml", settings_text(item_id))
            if not journal.counts.pending:
                os.write(confirmations, NUMBER.pack(item_id))


def kill_at(folder: Path, first: int, run_id: str, after_ns: int) -> int:
    """Work in a child that is killed so many nanoseconds after its first sign of life; return the last confirmed item."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            work_until_killed(folder, first, run_id, writing)
        finally:
            os._exit(1)
    os.close(writing)
    watch = os.pidfd_open(child)
    select.select([reading], [], [], 20.0)
    ended = select.select([watch], [], [], after_ns / 1e9)[0]
    os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    with os.fdopen(reading, "rb") as pipe:
        content = pipe.read()
    os.close(watch)
    assert not ended, "the child failed by itself"
    assert os.WTERMSIG(status) == signal.SIGKILL
    whole = len(content) // NUMBER.size * NUMBER.size
    numbers: list[int] = [first - 1, *(n for (n,) in NUMBER.iter_unpack(content[:whole]))]
    return numbers[-1]


def test_no_confirmed_item_is_lost_however_often_the_program_is_killed(tmp_path: Path) -> None:
    rng = random.Random(20)
    first, unexpected = 1, 0
    for cut in range(CUTS):
        run_id = f"run-{cut:04d}"
        confirmed = kill_at(tmp_path, first, run_id, rng.randrange(ms(25)))
        journal = build_journal(tmp_path, SystemClock(), SETTINGS, run_id=f"check-{cut:04d}")
        journal.record(Event(kind=EventKind.STATE, at=1, text="after the cut"))
        assert journal.store_pending() == 1
        journal.close()
        unexpected += journal.damages + journal.counts.lost
        rows = [row for row in items_in(tmp_path) if row.run_id == run_id]
        assert [row.item for row in rows] == list(range(1, len(rows) + 1))
        assert len(rows) >= confirmed - first + 1
        assert all(row.outcome == "fired" for row in rows)
        if confirmed >= first:
            calibration = (tmp_path / "calibration.toml").read_bytes()
            assert calibration in [settings_text(n) for n in range(confirmed, first + len(rows) + 1)]
        first += len(rows)
    assert unexpected == 0
    assert first > CUTS, "too few items came through for this to mean anything"
    # Half-written files of interrupted writes are all that may be left beside, until the next start.
    remove_stale_temp_files(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"journal.db", "calibration.toml"}


def test_a_reader_finds_the_killed_file_sound_before_any_start(tmp_path: Path) -> None:
    confirmed = kill_at(tmp_path, 1, "run", ms(60))
    assert confirmed > 0
    assert check_journal(tmp_path / "journal.db") == []
    assert len(items_in(tmp_path)) >= confirmed
