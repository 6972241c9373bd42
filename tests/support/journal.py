"""Entries for journals under test."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np

from edge.clock import NS_PER_S, VirtualClock, ms
from edge.config.service import JournalSettings
from edge.interfaces import Clock
from edge.journal import Journal, schema
from edge.journal.database import Connect, Run, connect_for_writing
from edge.journal.reading import ItemRecord, Query, read_all
from edge.journal.storing import Storage
from edge.line import Outcome
from edge.types import Actuation, Box, Crop, Decision, Image, Item, Prediction, Reason, Stroke

LABELS = ("glass", "metal", "paper", "plastic")


def build_journal(
    folder: Path,
    clock: Clock | None = None,
    settings: JournalSettings | None = None,
    connect: Connect = connect_for_writing,
    run_id: str = "run-1",
) -> Journal:
    """Return a journal in the folder, which must exist."""
    clock = clock or VirtualClock()
    settings = settings or JournalSettings(keep_crops="none")
    run = Run(run_id, "boot-1", "0", clock.now(), clock.wall_time())
    return Journal(Storage(folder / "journal.db", settings, clock, run, connect), settings, clock)


def outcome(
    item_id: int,
    at: int,
    reason: Reason = Reason.SORTED,
    pixels: Image | None = None,
    prediction: Prediction | None = None,
) -> Outcome:
    """Return an item that crossed the line at that instant; sorted ones have a stroke half a second later."""
    label = LABELS[item_id % len(LABELS)]
    crops = () if pixels is None else (Crop(pixels, Box(4, 4, 40, 30), at, 1.0, 1.0),)
    sure = reason is Reason.SORTED
    decision = Decision(item_id, label if sure else "residual", reason, at + ms(20), label, 0.9, 0.8)
    plan = Actuation(f"flap-{label}", at + ms(500), at + ms(700), (item_id,)) if sure else None
    return Outcome(Item(item_id, at, crops), prediction, decision, plan, ms(15))


def stroke(of: Outcome) -> Stroke:
    """Return the stroke of the item as it was fired, on time."""
    assert of.actuation is not None
    return Stroke(of.actuation, of.actuation.fire_at, of.actuation.release_at)


def photo(seed: int = 0) -> Image:
    """Return a picture of noise, which JPEG can't make small."""
    return np.random.default_rng(seed).integers(0, 256, (64, 64, 3), dtype=np.uint8)


def items_in(folder: Path) -> list[ItemRecord]:
    return list(read_all(folder / "journal.db", ItemRecord, Query()))


def record_many(
    journal: Journal, clock: VirtualClock, items: range, every: Callable[[], object] = lambda: None
) -> None:
    """Record an item with its stroke every 125 ms; call `every` once a second."""
    for item_id in items:
        clock.advance_to(clock.now() + NS_PER_S // 8)
        entry = outcome(item_id, clock.now())
        journal.record(entry)
        journal.record(stroke(entry))
        if item_id % 8 == 0:
            every()


def make_older(path: Path, version: int) -> None:
    """Make a closed journal one as an older version would have left it: the same rows, in the tables of that version."""
    older = path.with_name("older.db")
    with closing(sqlite3.connect(older, isolation_level=None)) as connection:
        for statement in (statement for statements in schema.MIGRATIONS[:version] for statement in statements):
            connection.execute(statement)
        triggers = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:  # they would count anew what is copied with its sums
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("ATTACH ? AS newer", (str(path),))
        for (table,) in connection.execute("SELECT name FROM main.sqlite_schema WHERE type = 'table'").fetchall():
            columns = ", ".join(column[1] for column in connection.execute(f"PRAGMA main.table_info({table})"))
            connection.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM newer.{table}")
        connection.execute("DETACH newer")
        for _, statement in triggers:
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {version}")
    older.replace(path)
