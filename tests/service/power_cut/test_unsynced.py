"""A power cut that loses what was not synced, at every point of a recorded run.

A run of the real journal (and of atomic file writes) is recorded call by call; then for every cut
point the files are rebuilt as a power cut may leave them, and what was confirmed must be there.
SORTER_POWER_CUTS=all tries every cut point with several chance survivals; without it every fifth.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.disk import Disk, Operation, RecordedCalls, Sync
from support.journal import build_journal, items_in, outcome, record_many, stroke
from support.power_cut import THOROUGH, TIME_LIMIT, Medium, Survives, by_chance, everything, nothing_more

from edge.clock import VirtualClock
from edge.config.service import JournalSettings
from edge.journal.database import Connection
from edge.system.files import write_atomically

pytestmark = TIME_LIMIT
STEP, CHANCES = (1, 4) if THOROUGH else (5, 1)
# A small file has a small log: the run passes many checkpoints.
SETTINGS = JournalSettings(max_mb=1, keep_crops="none")


@dataclass
class Recording:
    """A run, and how many items were confirmed after so many operations."""

    operations: list[Operation]
    confirmed: dict[int, int]

    def cuts(self, step: int) -> Iterator[tuple[int, Medium, int]]:
        """Yield (operations done, the medium, items confirmed by then)."""
        medium, confirmed = Medium(), 0
        for done, operation in enumerate(self.operations):
            confirmed = self.confirmed.get(done, confirmed)
            if done % step == 0:
                yield done, medium, confirmed
            medium.take(operation)
        yield len(self.operations), medium, self.confirmed[len(self.operations)]


def record_run(folder: Path, disk: Disk, items: int) -> Recording:
    """Record two runs of the controller, the second of which finds the file of the first."""
    confirmed: dict[int, int] = {}
    clock = VirtualClock()
    for run_id, numbers in (("run-a", range(1, items // 2 + 1)), ("run-b", range(items // 2 + 1, items + 1))):
        journal = build_journal(folder, clock, SETTINGS, disk.connect, run_id)
        earlier = max(confirmed.values(), default=0)

        def confirm(journal=journal, earlier=earlier) -> None:  # type: ignore[no-untyped-def]
            journal.store_pending()
            assert journal.counts.error.text == ""
            confirmed[len(disk.operations)] = earlier + journal.counts.stored // 2

        record_many(journal, clock, numbers, confirm)
        journal.close()
        confirmed[len(disk.operations)] = numbers[-1]
    return Recording(disk.operations, confirmed)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return record_run(tmp_path_factory.mktemp("recorded"), Disk(), items=8 * 80)


def survivals(seed: int) -> list[Survives]:
    return [nothing_more(), everything(), *(by_chance(seed * 100 + n) for n in range(CHANCES))]


def what_is_lost(medium: Medium, folder: Path, survives: Survives, confirmed: int) -> str:
    """Start the journal on what a cut left; say what is wrong with it, or nothing."""
    medium.write_into(folder, survives)
    clock = VirtualClock(start=10**13)
    journal = build_journal(folder, clock, SETTINGS, run_id="after")
    entry = outcome(1, clock.now())
    journal.record(entry)
    journal.record(stroke(entry))
    journal.close()
    if journal.damages or journal.counts.stored != 2:
        return f"it does not go on by itself: {journal.damages} damages, {journal.counts}"
    rows = items_in(folder)
    found = [row.item for row in rows if row.run_id != "after" and row.outcome == "fired"]
    shutil.rmtree(folder)
    if found[:confirmed] != list(range(1, confirmed + 1)):
        return f"{confirmed} items were confirmed, {len(found)} are there"
    if len(rows) - 1 != len(found) or rows[-1].run_id != "after":
        return "items without their strokes, though both were stored at once"
    return ""


def test_the_recorded_run_passes_checkpoints(recording: Recording) -> None:
    synced = [op.name for op in recording.operations if isinstance(op, Sync)]
    assert synced.count("journal.db") >= 6
    assert synced.count("journal.db-wal") >= 80


def test_nothing_confirmed_is_lost_at_any_cut(recording: Recording, memory_folder: Path) -> None:
    problems = []
    for done, medium, confirmed in recording.cuts(STEP):
        for n, survives in enumerate(survivals(done)):
            problem = what_is_lost(medium, memory_folder / f"{done}-{n}", survives, confirmed)
            problems += [f"cut after {done} operations, survival {n}: {problem}"] if problem else []
    assert problems == []


def test_a_database_that_does_not_sync_would_be_found_out(tmp_path: Path) -> None:
    """The test above can fail: the same run with SQLite's syncs turned off loses confirmed items."""

    class Careless(Disk):
        def connect(self, path: Path) -> Connection:
            connection = super().connect(path)
            execute = connection.execute
            connection.execute = lambda sql, *p: execute(sql.replace("synchronous = FULL", "synchronous = OFF"), *p)  # type: ignore[method-assign]
            return connection

    (tmp_path / "recorded").mkdir()
    careless = record_run(tmp_path / "recorded", Careless(), items=8 * 20)
    lost = []
    for done, medium, confirmed in careless.cuts(5):
        try:
            lost.append(what_is_lost(medium, tmp_path / str(done), nothing_more(), confirmed))
        except sqlite3.Error as error:
            lost.append(str(error))
    assert any("were confirmed" in problem for problem in lost)


@pytest.mark.parametrize("size", [0, 10, 5000])
def test_an_atomic_write_is_the_old_content_or_the_new_at_any_cut(tmp_path: Path, size: int) -> None:
    disk, old, new = Disk(), b"old" * 100, bytes(range(256)) * (size // 256 + 1)
    folder = tmp_path / "recorded"
    folder.mkdir()
    write_atomically(folder / "file.toml", old, calls=RecordedCalls(disk))
    settled = len(disk.operations)
    write_atomically(folder / "file.toml", new[:size], calls=RecordedCalls(disk))
    medium = Medium()
    for done, operation in enumerate(disk.operations):
        medium.take(operation)
        for n, survives in enumerate([nothing_more(), everything(), *map(by_chance, range(20))]):
            target = tmp_path / f"{done}-{n}"
            medium.write_into(target, survives)
            path = target / "file.toml"
            content = path.read_bytes() if path.exists() else None
            if done >= settled - 1:
                assert content in (old, new[:size])
            if done < settled:
                assert content in (None, old)
    assert content == new[:size]
