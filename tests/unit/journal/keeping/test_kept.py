"""What is kept, as the journal tells it: why, how many looks; over restarts, older files, damage and full disks."""

from __future__ import annotations

import gc
import sqlite3
import weakref
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.journal import build_journal, items_in, make_older, outcome, photo
from typer.testing import CliRunner

from edge.bundle.head import Codes
from edge.bundle.kept_names import item_of, look_names
from edge.cli.commands.journal import app
from edge.clock import NS_PER_S, VirtualClock
from edge.config.service import JournalSettings
from edge.journal import Journal
from edge.journal.keeping.candidates import HELD_BYTES, Kept
from edge.journal.keeping.selection import FEW
from edge.journal.schema import MOST_REMEMBERED
from edge.line import Outcome
from edge.types import Box, Crop, Decision, Item, Prediction, Reason

FRAME = photo(1)
USEFUL = JournalSettings(random_share=0)
DAY_NS = 86_400 * NS_PER_S


class Watched(np.ndarray[Any, Any]):
    """An array that can be watched."""


def features(thing: int) -> Codes:
    return np.random.default_rng(thing).integers(-128, 128, 200).astype(np.int8)


def seen(number: int, thing: int, reason: Reason = Reason.UNSURE, looks: int = 2, label: str = "glass") -> Outcome:
    """Return an item of which the model saw that thing, in so many looks."""
    prediction = Prediction(label, 0.9, 0.8, ("glass", "metal"), (0.9, 0.1), looks, features=features(thing))
    crops = tuple(Crop(FRAME, Box(4 + n, 4, 40, 30), NS_PER_S, 1.0, 1.0) for n in range(looks))
    decision = Decision(number, "residual", reason, NS_PER_S, label, 0.9, 0.8)
    return Outcome(Item(number, NS_PER_S, crops), prediction, decision, None, 0)


def store(journal: Journal, *entries: Outcome) -> None:
    for entry in entries:
        journal.record(entry)
        journal.store_pending()


def kept_in(folder: Path) -> dict[int, str | None]:
    return {row.row: row.kept for row in items_in(folder) if row.picture}


def pictures_in(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "pictures").iterdir())


@pytest.mark.parametrize(
    ("keep", "share", "kept"),
    [
        ("none", 1, {}),
        ("unsure", 0, {2: "unsure"}),
        ("useful", 0, {1: "rare", 2: "unsure", 3: "rare"}),
        ("all", 0, {1: "all", 2: "all", 3: "all"}),
        ("unsure", 1, {1: "random", 2: "random", 3: "random"}),
    ],
)
def test_pictures_are_kept_as_the_settings_say(
    memory_folder: Path, keep: str, share: float, kept: dict[int, str]
) -> None:
    given = JournalSettings.model_validate({"keep_crops": keep, "random_share": share})
    journal = build_journal(memory_folder, settings=given)
    for item_id, reason in enumerate((Reason.SORTED, Reason.UNSURE, Reason.LATE), start=1):
        store(journal, outcome(item_id, NS_PER_S, reason, pixels=photo()))
    journal.close()
    assert kept_in(memory_folder) == kept
    assert journal.counts.pictures_lost == 0


def test_a_row_names_its_pictures_and_says_why_they_are_kept(memory_folder: Path) -> None:
    journal = build_journal(memory_folder, settings=USEFUL)
    store(journal, seen(1, thing=1, looks=5), seen(2, thing=1), seen(3, thing=2, looks=1))
    journal.close()
    rows = items_in(memory_folder)
    assert [(row.kept, row.looks) for row in rows] == [("unsure", 3), (None, None), ("unsure", 1)]
    named = [name for row in rows if row.picture and row.looks for name in look_names(item_of(row.picture), row.looks)]
    assert sorted(named) == pictures_in(memory_folder)
    listed = CliRunner().invoke(app, ["list", "--state-folder", str(memory_folder)], env={"COLUMNS": "160"}).output
    assert "kept" in listed.splitlines()[1]
    assert sum("unsure" in line.split()[-2:] for line in listed.splitlines()) == 2


def test_quotas_and_what_was_kept_are_known_again_after_a_restart(memory_folder: Path) -> None:
    clock, settings = VirtualClock(), USEFUL.with_values(crops_per_label=3)
    for run in ("run-a", "run-b"):
        journal = build_journal(memory_folder, clock, settings, run_id=run)
        store(journal, seen(1, thing=1), seen(2, thing=2 if run == "run-a" else 3), seen(3, thing=4, label="metal"))
        store(journal, seen(4, thing=5))
        journal.close()
    assert kept_in(memory_folder) == {1: "unsure", 2: "unsure", 3: "unsure", 4: "unsure"}
    clock.advance_to(clock.now() + DAY_NS)
    journal = build_journal(memory_folder, clock, settings, run_id="run-c")
    store(journal, seen(1, thing=1), seen(2, thing=6), seen(3, thing=7))
    journal.close()
    assert [row for row in kept_in(memory_folder) if row > 8] == [10, 11], "a new day, and thing 1 is known still"


def test_what_is_remembered_is_bounded(memory_folder: Path) -> None:
    clock = VirtualClock()
    journal = build_journal(memory_folder, clock, USEFUL.with_values(crops_per_label=1000, crops_per_day=1000))
    for number in range(1, MOST_REMEMBERED + 60):
        clock.advance_to(clock.now() + DAY_NS // 500)
        journal.record(outcome(number, clock.now(), Reason.UNSURE, pixels=FRAME))
        if number % 50 == 0:
            journal.store_pending()
    journal.close()
    with closing(sqlite3.connect(memory_folder / "journal.db")) as connection:
        (rows, last) = connection.execute("SELECT count(*), max(row) FROM kept").fetchone()
    assert (rows, last) == (MOST_REMEMBERED, MOST_REMEMBERED + 59)


def test_a_sure_item_is_kept_while_its_label_is_rare(memory_folder: Path) -> None:
    journal = build_journal(memory_folder, settings=USEFUL.with_values(crops_per_label=1000))
    for number in range(1, FEW + 6):
        store(journal, outcome(4 * number, NS_PER_S, pixels=photo()))
    journal.close()
    assert list(kept_in(memory_folder).values()) == [Kept.RARE] * FEW


@pytest.mark.parametrize("version", [1, 2])
def test_a_journal_of_any_older_version_is_read_and_goes_on(memory_folder: Path, version: int) -> None:
    journal = build_journal(memory_folder, settings=USEFUL)
    store(journal, seen(1, thing=1))
    journal.close()
    make_older(memory_folder / "journal.db", version)
    (old,) = items_in(memory_folder)
    assert (old.item, old.label, old.kept, old.looks) == (1, "glass", None, None)
    assert old.picture == "run-1-00000001-1.jpg"
    journal = build_journal(memory_folder, settings=USEFUL, run_id="run-2")
    store(journal, seen(1, thing=2))
    journal.close()
    assert kept_in(memory_folder) == {1: None, 2: "unsure"}
    assert list(memory_folder.glob("damaged-*")) == []


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE kept SET sketch = X'00'",
        "UPDATE kept SET sketch = 'text', label = X'FF00FE'",
        "UPDATE kept SET sketch = NULL, day = 'today'",
        "UPDATE kept SET day = 9e99, label = 3, sketch = 7",
        "DELETE FROM kept",
    ],
)
def test_a_memory_that_was_damaged_only_forgets(memory_folder: Path, damage: str) -> None:
    journal = build_journal(memory_folder, settings=USEFUL)
    store(journal, seen(1, thing=1))
    journal.close()
    with closing(sqlite3.connect(memory_folder / "journal.db", isolation_level=None)) as connection:
        connection.execute(damage)
    journal = build_journal(memory_folder, settings=USEFUL, run_id="run-2")
    store(journal, seen(1, thing=1))
    journal.close()
    assert (journal.counts.error.text, journal.counts.stored) == ("", 1)
    assert kept_in(memory_folder) == {1: "unsure", 2: "unsure"}


def test_a_damaged_journal_takes_the_memory_with_it_and_says_so(memory_folder: Path) -> None:
    journal = build_journal(memory_folder, settings=USEFUL)
    store(journal, seen(1, thing=1))
    journal.close()
    (memory_folder / "journal.db").write_bytes(b"not a database" * 100)
    journal = build_journal(memory_folder, settings=USEFUL, run_id="run-2")
    store(journal, seen(1, thing=1))
    assert journal.damages == 1
    journal.close()
    assert kept_in(memory_folder) == {1: "unsure"}
    assert len(list(memory_folder.glob("damaged-*-journal.db"))) == 1


def test_what_was_recorded_before_a_full_day_is_not_kept_after_it(memory_folder: Path) -> None:
    journal = build_journal(memory_folder, settings=USEFUL.with_values(crops_per_day=2))
    for number in range(1, 6):
        journal.record(seen(number, thing=number))
    journal.store_pending()
    journal.close()
    assert list(kept_in(memory_folder)) == [1, 2]
    assert journal.counts.pictures_lost == 0, "they were not wanted"


def test_items_without_pictures_are_never_kept(memory_folder: Path) -> None:
    journal = build_journal(memory_folder, settings=JournalSettings(random_share=1))
    store(journal, outcome(1, NS_PER_S, Reason.UNSURE))
    journal.close()
    assert kept_in(memory_folder) == {}
    assert not (memory_folder / "pictures").exists()


def test_frames_are_held_until_the_writers_turn_and_if_it_is_late_only_what_is_cut_out_of_them(
    memory_folder: Path,
) -> None:
    journal = build_journal(memory_folder, settings=JournalSettings(random_share=1))
    watched = []
    for number in range(1, 21):
        frame: Any = np.zeros((480, 640, 3), np.uint8).view(Watched)
        watched.append(weakref.ref(frame))
        item = Item(number, NS_PER_S, (Crop(frame, Box(100, 100, 100, 60), NS_PER_S, 1.0, 1.0),))
        journal.record(Outcome(item, None, Decision(number, "residual", Reason.SORTED, 1), None, 0))
        del item, frame
    gc.collect()
    held = sum(ref() is not None for ref in watched)
    assert held == HELD_BYTES // (480 * 640 * 3)
    assert journal.backlog.picture_bytes == held * 480 * 640 * 3 + (20 - held) * 130 * 130 * 3
    journal.store_pending()
    gc.collect()
    assert [ref() for ref in watched] == [None] * 20
    assert journal.backlog.picture_bytes == journal.backlog.candidates == 0
    journal.close()
    assert len(kept_in(memory_folder)) == len(pictures_in(memory_folder)) == 20
