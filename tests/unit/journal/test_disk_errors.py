"""Disks that fill up, fail or lie, files that are damaged, dates that jump: sorting goes on and nothing stored is lost."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest
from support.disk import Disk
from support.journal import build_journal, items_in, outcome, record_many

from edge.clock import NS_PER_S, VirtualClock
from edge.config.service import JournalSettings
from edge.errors import JournalError
from edge.health.faults import FaultKind
from edge.journal import Journal
from edge.journal.database import PAGE_BYTES, Connection, Run, connect_for_writing, open_database
from edge.journal.disk_errors import is_damage
from edge.journal.reading import EventRecord, Query, check_journal, read_all
from edge.journal.recording import FULL_CALM_NS
from edge.types import Event, EventKind

HOUR = 3600 * NS_PER_S
YEAR_S = 365 * 86_400.0


def refusing(code: int, *calls: str) -> Callable[[str, str], None]:
    """Return a mood in which these calls fail with SQLite's error code."""

    def refuse(call: str, name: str) -> None:
        if call in calls:
            raise apsw.exception_for(code)

    return refuse


TROUBLES = {
    "full": (refusing(apsw.SQLITE_FULL, "write"), FaultKind.DISK_FULL, "the disk is full"),
    "read-only": (refusing(apsw.SQLITE_READONLY, "write"), FaultKind.DISK_READ_ONLY, "can't be written"),
    "no access": (refusing(apsw.SQLITE_CANTOPEN, "open", "write"), FaultKind.DISK_READ_ONLY, "can't be written"),
    "write errors": (refusing(apsw.SQLITE_IOERR_WRITE, "write"), FaultKind.DISK_ERROR, "the disk reports an error"),
    "sync errors": (refusing(apsw.SQLITE_IOERR_FSYNC, "sync"), FaultKind.DISK_ERROR, "the disk reports an error"),
    "dead": (
        refusing(apsw.SQLITE_IOERR, "open", "write", "sync", "truncate"),
        FaultKind.DISK_ERROR,
        "the disk reports an error",
    ),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_failing_disk_costs_nothing_and_recording_recovers_by_itself(memory_folder: Path, trouble: str) -> None:
    refuse, fault, words = TROUBLES[trouble]
    disk, clock = Disk(), VirtualClock()
    journal = build_journal(memory_folder, clock, connect=disk.connect)
    record_many(journal, clock, range(1, 17), journal.store_pending)
    assert journal.counts.stored == 32

    disk.refuse = refuse
    record_many(journal, clock, range(17, 41), journal.store_pending)
    counts = journal.counts
    assert (counts.stored, counts.pending, counts.lost) == (32, 48, 0)
    assert counts.error.fault is fault
    assert words in counts.error.text
    found = [row.item for row in items_in(memory_folder)]
    # What was written and not synced may be read back; it is not confirmed and stays in the queue.
    assert found == list(range(1, max(16, len(found)) + 1))

    disk.refuse = lambda call, name: None
    assert journal.store_pending() == 48
    clock.advance_to(clock.now() + FULL_CALM_NS)  # a full disk has to have room for a while
    journal.store_pending()
    assert journal.counts.error.text == ""
    journal.close()
    assert [row.item for row in items_in(memory_folder)] == list(range(1, 41))
    assert check_journal(memory_folder / "journal.db") == []


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_disk_that_fails_from_the_start_is_tried_again(memory_folder: Path, trouble: str) -> None:
    disk, clock = Disk(refuse=TROUBLES[trouble][0]), VirtualClock()
    journal = build_journal(memory_folder, clock, connect=disk.connect)
    record_many(journal, clock, range(1, 17), journal.store_pending)
    assert (journal.counts.stored, journal.counts.pending) == (0, 32)
    assert journal.counts.error.text
    disk.refuse = lambda call, name: None
    journal.close()
    assert [row.item for row in items_in(memory_folder)] == list(range(1, 17))


@pytest.mark.parametrize(
    "plant", [Path.touch, os.mkfifo, *(lambda path, to=to: path.symlink_to(to) for to in ("state", "nowhere"))]
)
def test_what_is_no_folder_in_the_folders_place_is_no_dying_card(
    memory_folder: Path, plant: Callable[[Path], object]
) -> None:
    state, clock = memory_folder / "state", VirtualClock()
    plant(state)
    journal = build_journal(state, clock)
    record_many(journal, clock, range(1, 17), journal.store_pending)
    assert journal.counts.error.fault is FaultKind.DISK_READ_ONLY
    assert str(state) in journal.counts.error.text
    state.unlink()
    journal.close()
    assert [row.item for row in items_in(state)] == list(range(1, 17))


def test_a_disk_that_fails_at_any_single_call_loses_and_doubles_nothing(memory_folder: Path) -> None:
    """Among them: a COMMIT that reports an error after the rows reached the log."""
    failing_call, passed = 0, False
    while not passed:
        failing_call += 1
        left = [failing_call]

        def refuse(call: str, name: str, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise apsw.exception_for(apsw.SQLITE_IOERR)

        folder = memory_folder / str(failing_call)
        folder.mkdir()
        clock = VirtualClock()
        journal = build_journal(
            folder, clock, JournalSettings(max_mb=1, keep_crops="none"), Disk(refuse=refuse).connect
        )
        record_many(journal, clock, range(1, 33), journal.store_pending)
        journal.store_pending()
        journal.close()
        assert journal.counts.stored == 64
        assert [row.item for row in items_in(folder)] == list(range(1, 33))
        shutil.rmtree(folder)
        passed = left[0] > 0
    assert failing_call > 15


def test_a_folder_that_can_not_be_made_is_reported_and_tried_again(memory_folder: Path) -> None:
    (memory_folder / "state").write_text("a file")
    journal = build_journal(memory_folder / "state")
    journal.record(outcome(1, NS_PER_S))
    assert journal.store_pending() == 0
    assert journal.counts.error.text
    (memory_folder / "state").unlink()
    assert journal.store_pending() == 1


def write_journal(folder: Path, items: int = 200) -> Path:
    clock = VirtualClock()
    journal = build_journal(folder, clock, run_id="earlier")
    record_many(journal, clock, range(1, items + 1), journal.store_pending)
    journal.close()
    return folder / "journal.db"


def overwrite(path: Path, offset: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(content)


def change(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "emptied": lambda path: path.write_bytes(b""),
    "garbage": lambda path: path.write_bytes(b"\x00garbage" * 5000),
    "cut in its header": lambda path: os.truncate(path, 17),
    "cut short": lambda path: os.truncate(path, 9000),
    "first page zeroed": lambda path: overwrite(path, 0, bytes(PAGE_BYTES)),
    "middle page zeroed": lambda path: overwrite(path, PAGE_BYTES * 5, bytes(PAGE_BYTES)),
    "table's root overwritten": lambda path: overwrite(path, PAGE_BYTES * 3, b"\xff" * PAGE_BYTES),
    "another program's": lambda path: change(path, "PRAGMA application_id = 1"),
    "newer": lambda path: change(path, "PRAGMA user_version = 99"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_file_that_can_not_be_used_is_set_aside_named_and_replaced(memory_folder: Path, damage: str) -> None:
    DAMAGES[damage](write_journal(memory_folder))
    content = (memory_folder / "journal.db").read_bytes()
    journal = build_journal(memory_folder, run_id="later")
    journal.record(outcome(1, NS_PER_S))
    assert journal.store_pending() == 1
    journal.close()
    aside = memory_folder / "damaged-20260101-000000-journal.db"
    assert aside.read_bytes()[100:] == content[100:]
    assert [row.run_id for row in items_in(memory_folder)] == ["later"]
    (event,) = read_all(memory_folder / "journal.db", EventRecord, Query())
    assert (event.kind, event.severity) == ("journal-damaged", "warning")
    assert aside.name in event.text


def test_a_journal_that_is_removed_while_it_is_written_begins_anew(memory_folder: Path) -> None:
    clock = VirtualClock()
    journal = build_journal(memory_folder, clock)
    record_many(journal, clock, range(1, 9), journal.store_pending)
    for path in memory_folder.glob("journal.db*"):
        path.unlink()
    record_many(journal, clock, range(9, 17), journal.store_pending)
    journal.close()
    assert [row.item for row in items_in(memory_folder)] == list(range(9, 17))


def test_a_folder_in_its_place_is_set_aside(memory_folder: Path) -> None:
    for run in range(5):  # so that one that was set aside goes again
        shutil.rmtree(memory_folder / "journal.db", ignore_errors=True)
        (memory_folder / "journal.db").unlink(missing_ok=True)
        (memory_folder / "journal.db").mkdir()
        (memory_folder / "journal.db" / "inside").touch()
        journal = build_journal(memory_folder, run_id=f"run-{run}")
        journal.record(outcome(1, NS_PER_S))
        journal.close()
        assert len(items_in(memory_folder)) == 1
    assert len([path for path in memory_folder.glob("damaged-*") if (path / "inside").exists()]) == 3


def test_a_log_without_its_file_is_kept_and_named(memory_folder: Path) -> None:
    (memory_folder / "journal.db-wal").write_bytes(b"rows" * 1000)
    journal = build_journal(memory_folder)
    journal.record(outcome(1, NS_PER_S))
    journal.store_pending()
    journal.close()
    assert len(items_in(memory_folder)) == 1
    (event,) = read_all(memory_folder / "journal.db", EventRecord, Query())
    assert event.kind == "journal-damaged"
    (aside,) = memory_folder.glob("damaged-*")
    assert aside.read_bytes() == b"rows" * 1000


def connect_without_cache(path: Path) -> Connection:
    """As in a file that is larger than the cache: pages are read again."""
    connection = connect_for_writing(path)
    connection.execute("PRAGMA cache_size = 1")
    return connection


def test_damage_that_shows_up_in_a_running_journal_is_set_aside_too(memory_folder: Path) -> None:
    path = write_journal(memory_folder, items=6000)
    clock = VirtualClock()
    settings = JournalSettings(max_mb=1, keep_crops="none")
    journal = build_journal(memory_folder, clock, settings, connect_without_cache, "later")
    record_many(journal, clock, range(1, 9), journal.store_pending)
    overwrite(path, PAGE_BYTES * 3, b"\xff" * PAGE_BYTES * 20)
    # The file is full: the oldest rows, which lie there, are to go.
    record_many(journal, clock, range(9, 1009), journal.store_pending)
    journal.close()
    assert journal.counts.lost == journal.counts.pending == 0
    assert len(list(memory_folder.glob("damaged-*-journal.db"))) == 1
    assert check_journal(memory_folder / "journal.db") == []
    assert items_in(memory_folder)[-1].item == 1008


def test_a_large_file_is_verified_in_parts(memory_folder: Path) -> None:
    path = write_journal(memory_folder, items=1000)
    run = Run("later", "boot", "0", 1, 1.0)
    sound = open_database(path, run, 10**7)
    sound.verify_some()
    sound.close()
    database = open_database(path, run, 10**7, connect_without_cache)
    overwrite(path, PAGE_BYTES * 8, b"\xff" * PAGE_BYTES * 20)
    with pytest.raises(sqlite3.DatabaseError) as raised:
        database.verify_some()
    assert is_damage(raised.value)
    database.close()


def test_only_a_few_set_aside_files_are_kept(memory_folder: Path) -> None:
    for _ in range(6):
        (memory_folder / "journal.db").write_bytes(b"garbage" * 1000)
        journal = build_journal(memory_folder)
        journal.record(outcome(1, NS_PER_S))
        journal.close()
    assert len(list(memory_folder.glob("damaged-*"))) == 3


def file_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("journal.db*"))


def test_the_file_stays_within_its_size_and_keeps_the_newest(memory_folder: Path) -> None:
    clock = VirtualClock()
    journal = build_journal(memory_folder, clock, JournalSettings(max_mb=1, keep_crops="none"))
    largest = 0
    for start in range(1, 16_000, 100):
        record_many(journal, clock, range(start, start + 100))
        journal.store_pending()
        largest = max(largest, file_bytes(memory_folder))
    journal.close()
    items = [row.item for row in items_in(memory_folder)]
    assert items == list(range(items[0], 16_001))
    assert len(items) > 4000
    assert largest <= 1_000_000


def test_many_events_do_not_push_the_items_out(memory_folder: Path) -> None:
    clock = VirtualClock()
    journal = build_journal(memory_folder, clock, JournalSettings(max_mb=1, keep_crops="none"))
    for _ in range(40):
        for _ in range(400):
            journal.record(Event(EventKind.FAULT, clock.now(), "the camera is gone " * 4))
        clock.advance_to(clock.now() + NS_PER_S)
        journal.store_pending()
    journal.record(outcome(1, clock.now()))
    journal.close()
    assert file_bytes(memory_folder) <= 1_100_000
    assert len(items_in(memory_folder)) == 1


def test_a_smaller_limit_shrinks_the_file(memory_folder: Path) -> None:
    clock = VirtualClock()
    journal = build_journal(memory_folder, clock, run_id="earlier")
    record_many(journal, clock, range(1, 9_001))
    journal.close()
    assert file_bytes(memory_folder) > 1_100_000
    clock = VirtualClock(start=HOUR)
    journal = build_journal(memory_folder, clock, JournalSettings(max_mb=1, keep_crops="none"), run_id="later")
    for item_id in range(1, 60):
        journal.record(outcome(item_id, clock.now()))
        journal.store_pending()
    journal.close()
    assert file_bytes(memory_folder) <= 1_000_000
    assert items_in(memory_folder)[-1].item == 59


def run_for_hours(journal: Journal, clock: VirtualClock, hours: int, first: int = 1) -> None:
    for item_id in range(first, first + hours):
        clock.advance_to(clock.now() + HOUR)
        journal.record(outcome(item_id, clock.now()))
        journal.store_pending()


def test_rows_go_when_they_are_too_old(memory_folder: Path) -> None:
    clock = VirtualClock()
    clock.date_known = True
    journal = build_journal(memory_folder, clock, JournalSettings(max_days=1, keep_crops="none"))
    run_for_hours(journal, clock, 100)
    journal.close()
    ages = [100 - row.item for row in items_in(memory_folder)]
    assert max(ages) in (24, 25)
    assert min(ages) == 0


@pytest.mark.parametrize("years", [-56, 30])
def test_a_wrong_date_at_start_costs_no_rows(memory_folder: Path, years: int) -> None:
    clock = VirtualClock()
    journal = build_journal(memory_folder, clock, run_id="a")
    run_for_hours(journal, clock, 3)
    journal.close()

    class Wrong(VirtualClock):
        """Set right after half an hour, as a time server does."""

        def wall_time(self) -> float:
            return super().wall_time() + (years * YEAR_S if self.now() < HOUR // 2 else 0)

    clock = Wrong()
    journal = build_journal(memory_folder, clock, run_id="b")
    journal.record(outcome(1, clock.now()))
    journal.store_pending()
    run_for_hours(journal, clock, 3, first=2)
    journal.close()
    assert len(items_in(memory_folder)) == 3 + 4


@pytest.fixture(scope="module")
def sound_file(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_journal(tmp_path_factory.mktemp("sound"), items=120).read_bytes()


# How many mutated files are tried; 10,000 take a few minutes.
MUTATIONS = int(os.environ.get("SORTER_FUZZ", "60"))


def mutate(content: bytes, rng: random.Random) -> bytes:
    """Change a few bytes, often in the header and the schema, and sometimes cut the file short."""
    changed = bytearray(content)
    for _ in range(rng.randint(1, 12)):
        end = rng.choice([100, PAGE_BYTES, len(changed)])
        changed[rng.randrange(end)] = rng.randrange(256)
    if rng.random() < 0.2:
        del changed[rng.randrange(len(changed)) :]
    return bytes(changed)


def test_no_mutated_file_stops_the_writer_or_shows_a_reader_a_traceback(memory_folder: Path, sound_file: bytes) -> None:
    for seed in range(MUTATIONS):
        folder = memory_folder / str(seed)
        folder.mkdir()
        (folder / "journal.db").write_bytes(mutate(sound_file, random.Random(seed)))
        with contextlib.suppress(JournalError):
            items_in(folder)
            check_journal(folder / "journal.db")
        journal = build_journal(folder, run_id="after")
        journal.record(outcome(1, NS_PER_S))
        journal.store_pending()
        journal.close()
        assert journal.counts.pending == 0, f"seed {seed}: {journal.counts}"
        assert items_in(folder)[-1].run_id == "after", f"seed {seed}"
        shutil.rmtree(folder)
