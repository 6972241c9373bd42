"""Recording: what is stored, what is counted, and that the control side never waits."""

from __future__ import annotations

import gc
import tempfile
import threading
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import apsw
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.disk import Disk
from support.journal import build_journal, items_in, outcome, photo, record_many

from edge.clock import NS_PER_S, VirtualClock, ms
from edge.config.service import JournalSettings
from edge.errors import JournalError
from edge.health.faults import FaultKind
from edge.journal import DeliveryEntry, open_journal, run_writer
from edge.journal.exporting import export_rows
from edge.journal.monitor import JournalMonitor
from edge.journal.reading import EventRecord, ItemRecord, Query, read_all
from edge.journal.recording import FULL_CALM_NS
from edge.simulate.world.faults import InjectedFault
from edge.station.faults.injected import faulty_connect
from edge.types import Actuation, Confidence, Event, EventKind, Prediction, Reason, Stroke, StrokeOutcome


def test_a_row_tells_everything_that_happened_to_the_item(memory_folder: Path) -> None:
    journal = build_journal(memory_folder)
    journal.use_bundle("sha256:abc")
    seen = Prediction("paper", 0.9, 0.8, ("paper", "glass"), (0.9, 0.1), crops_used=2, looks=("paper", "glass"))
    entry = outcome(2, at=5 * NS_PER_S, prediction=seen)
    entry = replace(entry, decision=replace(entry.decision, confidence=Confidence(0.95, 0.85, 0.9, 0.1)))
    journal.record(entry)
    journal.record(Stroke(entry.actuation, entry.actuation.fire_at + 7, entry.actuation.release_at + 9))  # type: ignore[union-attr, arg-type]
    journal.record(DeliveryEntry(2, "paper", 6 * NS_PER_S))
    assert journal.store_pending() == 3
    (row,) = items_in(memory_folder)
    assert row == ItemRecord(
        row=2,
        time="2026-01-01T00:00:00.000Z",
        run_id="run-1",
        boot_id="boot-1",
        item=2,
        lane=0,
        label="paper",
        score=0.9,
        margin=0.8,
        bin="paper",
        reason="sorted",
        crossed_at=5 * NS_PER_S,
        decided_at=5 * NS_PER_S + ms(20),
        frame_age_ns=ms(15),
        actuator="flap-paper",
        position="",
        fire_at=5 * NS_PER_S + ms(500),
        release_at=5 * NS_PER_S + ms(700),
        fired_at=5 * NS_PER_S + ms(500) + 7,
        released_at=5 * NS_PER_S + ms(700) + 9,
        outcome="fired",
        landed_at=6 * NS_PER_S,
        landed_in="paper",
        bundle="sha256:abc",
        picture=None,
        kept=None,
        looks=None,
        bin_score=0.95,
        min_score=0.85,
        bin_margin=0.9,
        min_margin=0.1,
        seen_as="paper glass",
    )


def test_an_item_without_a_stroke_has_none(memory_folder: Path) -> None:
    journal = build_journal(memory_folder)
    journal.record(outcome(1, NS_PER_S, Reason.UNSURE))
    journal.close()
    (row,) = items_in(memory_folder)
    assert (row.bin, row.reason, row.actuator, row.fire_at, row.outcome) == ("residual", "unsure", None, None, None)


def test_a_stroke_that_comes_first_or_alone_is_kept(memory_folder: Path) -> None:
    journal = build_journal(memory_folder)
    first, second = outcome(1, NS_PER_S), outcome(2, 2 * NS_PER_S)
    assert first.actuation is not None
    shared = Actuation("flap-metal", first.actuation.fire_at + 1, first.actuation.release_at + 1, (1, 2))
    journal.record(Stroke(shared, shared.fire_at, shared.release_at))
    journal.store_pending()
    journal.record(first)
    journal.record(Stroke(Actuation("flap-metal", 5, 6, (3,)), None, None, StrokeOutcome.REFUSED))
    journal.record(second)
    journal.close()
    rows = items_in(memory_folder)
    assert [(r.item, r.label, r.fire_at, r.fired_at, r.outcome) for r in rows] == [
        (1, "metal", shared.fire_at, shared.fire_at, "fired"),
        (2, "paper", shared.fire_at, shared.fire_at, "fired"),
        (3, None, 5, None, "refused"),
    ]


def test_runs_follow_each_other_in_one_file(memory_folder: Path) -> None:
    for run_id in ("run-a", "run-b"):
        journal = build_journal(memory_folder, run_id=run_id)
        journal.record(outcome(1, NS_PER_S))
        journal.record(outcome(2, NS_PER_S))
        journal.record(Event(EventKind.STATE, 1, f"start of {run_id}"))
        journal.close()
    assert [(r.row, r.run_id, r.item) for r in items_in(memory_folder)] == [
        (1, "run-a", 1),
        (2, "run-a", 2),
        (3, "run-b", 1),
        (4, "run-b", 2),
    ]
    events = list(read_all(memory_folder / "journal.db", EventRecord, Query()))
    assert [(e.row, e.run_id, e.kind, e.text) for e in events] == [
        (1, "run-a", "state", "start of run-a"),
        (2, "run-b", "state", "start of run-b"),
    ]


def test_two_runs_of_one_seed_export_identically(memory_folder: Path) -> None:
    exports = []
    for folder in (memory_folder / "a", memory_folder / "b"):
        clock = VirtualClock()
        journal = open_journal(folder, JournalSettings(), clock, run_id="seed-1", boot_id="virtual")
        record_many(journal, clock, range(1, 100), journal.store_pending)
        journal.close()
        target = folder / "rows.csv"
        assert export_rows(read_all(folder / "journal.db", ItemRecord, Query()), ItemRecord, target) == 99
        exports.append(target.read_bytes())
    assert exports[0] == exports[1]


def test_the_queue_is_bounded_and_what_it_refuses_is_counted_and_told(memory_folder: Path) -> None:
    journal = build_journal(memory_folder)
    journal.backlog.most_rows = 10
    for item_id in range(1, 16):
        journal.record(outcome(item_id, NS_PER_S))
    assert (journal.counts.recorded, journal.counts.lost, journal.counts.pending) == (15, 5, 10)
    assert journal.store_pending() == 10
    journal.close()
    assert len(items_in(memory_folder)) == 10
    (event,) = read_all(memory_folder / "journal.db", EventRecord, Query())
    assert event.kind == "journal-loss"
    assert event.text.startswith("5 rows were lost")
    counts = journal.counts
    assert counts.recorded == counts.stored + counts.lost + counts.pending == 16


def test_the_control_side_goes_on_while_a_write_hangs(memory_folder: Path) -> None:
    writing, go_on = threading.Event(), threading.Event()
    disk = Disk()
    journal = build_journal(memory_folder, connect=disk.connect)
    journal.record(outcome(1, NS_PER_S))
    journal.store_pending()

    def hang(call: str, name: str) -> None:
        if call == "sync":
            writing.set()
            assert go_on.wait(20)

    disk.refuse = hang
    journal.record(outcome(2, NS_PER_S))
    writer = threading.Thread(target=journal.store_pending)
    writer.start()
    assert writing.wait(20)
    for item_id in range(3, 203):
        journal.record(outcome(item_id, NS_PER_S))
    counts = journal.counts
    assert (counts.stored, counts.pending, counts.lost) == (1, 201, 0)
    go_on.set()
    writer.join()
    journal.close()
    assert [row.item for row in items_in(memory_folder)] == list(range(1, 203))


def test_closing_does_not_wait_for_ever_for_a_hanging_disk(memory_folder: Path) -> None:
    writing, go_on = threading.Event(), threading.Event()
    disk = Disk()

    def hang(call: str, name: str) -> None:
        writing.set()
        assert go_on.wait(20)

    disk.refuse = hang
    journal = build_journal(memory_folder, connect=disk.connect)
    journal.record(outcome(1, NS_PER_S))
    writer = threading.Thread(target=journal.store_pending)
    writer.start()
    assert writing.wait(20)
    journal.close(patience_s=0.0)
    assert journal.counts.pending == 1
    go_on.set()
    writer.join()
    assert journal.counts.stored == 1


def test_the_writer_stores_every_batch_interval_and_once_more_at_the_end(memory_folder: Path) -> None:
    clock, stop = VirtualClock(), threading.Event()
    journal = build_journal(memory_folder, clock, JournalSettings(batch_ms=1000, keep_crops="none"))
    stored_at: list[tuple[int, int]] = []

    class Station(VirtualClock):
        """An item a second; the third second is the last."""

        def sleep_until(self, instant: int, interrupt: threading.Event | None = None) -> bool:
            stored_at.append((self.now(), journal.counts.stored))
            journal.record(outcome(len(stored_at), self.now()))
            if len(stored_at) == 4:
                stop.set()
            return super().sleep_until(instant, interrupt)

    run_writer(journal, Station(), stop)
    second = NS_PER_S
    assert stored_at == [(second, 0), (2 * second, 1), (3 * second, 2), (4 * second, 3)]
    assert journal.counts.stored == 4


def test_an_item_of_which_no_picture_is_wanted_holds_no_frame(memory_folder: Path) -> None:
    class Watched(np.ndarray[Any, Any]):
        """An array that can be watched."""

    frame = photo().view(Watched)
    watch = weakref.ref(frame)
    journal = build_journal(memory_folder, settings=JournalSettings(keep_crops="none"))
    journal.record(outcome(1, NS_PER_S, Reason.UNSURE, pixels=frame))
    del frame
    gc.collect()
    assert watch() is None
    journal.close()


def test_a_picture_that_can_not_be_kept_costs_no_row(memory_folder: Path) -> None:
    (memory_folder / "pictures").write_text("a file where the folder should be")
    journal = build_journal(memory_folder, settings=JournalSettings(keep_crops="all"))
    journal.record(outcome(1, NS_PER_S, pixels=photo()))
    journal.close()
    assert [row.picture for row in items_in(memory_folder)] == [None]
    assert journal.counts.pictures_lost == 1


def test_a_full_disk_gives_pictures_up_for_rows(memory_folder: Path) -> None:
    disk = Disk()
    settings = JournalSettings(keep_crops="all", random_share=0)
    journal = build_journal(memory_folder, settings=settings, connect=disk.connect)
    for item_id in range(1, 21):
        journal.record(outcome(item_id, NS_PER_S, pixels=photo()))
    journal.store_pending()

    def refuse(call: str, name: str) -> None:
        raise apsw.exception_for(apsw.SQLITE_FULL)

    disk.refuse = refuse
    journal.record(outcome(21, NS_PER_S, pixels=photo()))
    assert journal.store_pending() == 0
    disk.refuse = lambda call, name: None
    journal.record(outcome(22, NS_PER_S, pixels=photo()))
    assert journal.store_pending() == 2
    journal.record(outcome(23, NS_PER_S, pixels=photo()))
    journal.close()
    rows = items_in(memory_folder)
    assert [row.item for row in rows] == list(range(1, 24))
    assert [row.item for row in rows if row.picture] == [*range(1, 21), 23]
    left = sorted(path.name for path in (memory_folder / "pictures").iterdir())
    assert left[0] == "run-1-00000004-1.jpg", "the oldest tenth made room: three of 21"
    assert journal.counts.pictures_lost == 2


def test_two_controllers_can_not_share_a_folder(memory_folder: Path) -> None:
    first = open_journal(memory_folder, JournalSettings(), VirtualClock())
    with pytest.raises(JournalError, match="another sorter keeps its journal here"):
        open_journal(memory_folder, JournalSettings(), VirtualClock())
    first.close()
    open_journal(memory_folder, JournalSettings(), VirtualClock()).close()


def test_a_damaged_file_is_a_fault_until_a_reset(memory_folder: Path) -> None:
    (memory_folder / "journal.db").write_bytes(b"not a database" * 100)
    journal = build_journal(memory_folder)
    monitor = JournalMonitor(journal)
    assert list(monitor.faults(NS_PER_S)) == []
    journal.record(outcome(1, NS_PER_S))
    journal.close()
    assert list(monitor.faults(NS_PER_S)) == [(FaultKind.JOURNAL_DAMAGED, "")]
    monitor.on_reset(after_stop=False)
    assert list(monitor.faults(NS_PER_S)) == []


@settings(max_examples=30)
@given(refuses=st.lists(st.booleans(), min_size=1, max_size=30))
def test_a_disk_is_full_until_it_has_taken_everything_for_some_seconds(refuses: list[bool]) -> None:
    clock = VirtualClock()
    refusing = [False]

    def is_active(kind: InjectedFault) -> bool:
        return kind is InjectedFault.DISK_FULL and refusing[0]

    with tempfile.TemporaryDirectory() as folder:
        journal = build_journal(Path(folder), clock, connect=faulty_connect(is_active))
        last_refused: int | None = None
        for number, refusing[0] in enumerate(refuses, start=1):
            clock.advance_to(clock.now() + NS_PER_S)
            journal.record(outcome(number, clock.now()))
            journal.store_pending()
            last_refused = clock.now() if refusing[0] else last_refused
            full = last_refused is not None and clock.now() - last_refused < FULL_CALM_NS
            assert (journal.counts.error.fault is FaultKind.DISK_FULL) == full
        refusing[0] = False
        clock.advance_to(clock.now() + FULL_CALM_NS)
        journal.store_pending()
        assert journal.counts.error.fault is None
        assert journal.counts.pending == 0
        journal.close()
