"""The hourly sums say what counting every row ever written would, whatever is done to the rows."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.journal import build_journal, make_older, outcome, record_many, stroke

from edge.clock import NS_PER_S, VirtualClock
from edge.config.service import JournalSettings
from edge.journal import schema, sums
from edge.stats.counts import By, Selection, count_items
from edge.types import Reason

HOUR_S = 3600
Counts = Counter[tuple[Any, ...]]
NAMES = ", ".join(sums.COLUMNS)


def open_memory(migrations: int) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    for statement in (statement for statements in schema.MIGRATIONS[:migrations] for statement in statements):
        connection.execute(statement)
    connection.execute(schema.INSERT_RUN, ("run", "boot", "0", 0, 0.0))
    return connection


def sums_in(connection: sqlite3.Connection) -> Counts:
    rows = connection.execute(f"SELECT hour, {NAMES}, items FROM hourly JOIN categories USING (category)")
    return Counter({tuple(key): items for *key, items in rows})


def counted_rows(connection: sqlite3.Connection) -> Counts:
    """Count the rows one by one, in Python."""
    rows = connection.execute(
        "SELECT wall_time, label, bin, bundle, reason, actuator, outcome, landed_in FROM items"
    ).fetchall()
    return Counter(
        (
            int(at // HOUR_S),
            label or "",
            where or "",
            bundle or 0,
            reason or "",
            actuator is not None,
            end or "",
            landed or "",
        )
        for at, label, where, bundle, reason, actuator, end, landed in rows
    )


def rows_outside_of_their_sums(connection: sqlite3.Connection) -> list[tuple[int]]:
    """Return the rows that nobody would find who looks where their sums say that they are."""
    return connection.execute(
        f"SELECT t.row FROM items t JOIN categories c ON {sums.is_category('t')} "
        f"WHERE NOT EXISTS (SELECT 1 FROM hourly h WHERE h.hour = {sums.HOUR.format(row='t')} "
        "AND h.category = c.category AND t.row BETWEEN h.first_row AND h.last_row)"
    ).fetchall()


class Twins:
    """The same statements to a journal and to one without sums, from which nothing is ever deleted."""

    def __init__(self) -> None:
        self.journal, self.every_row = open_memory(len(schema.MIGRATIONS)), open_memory(len(schema.MIGRATIONS))
        for trigger in ("item_came", "item_changed"):
            self.every_row.execute(f"DROP TRIGGER {trigger}")

    def do(self, statement: str, parameters: Sequence[Any] | dict[str, Any] = ()) -> None:
        for connection in (self.journal, self.every_row):
            connection.execute(statement, parameters)

    def decide(self, row: int, at: float, label: str, reason: str, watched: bool) -> None:
        self.do(schema.INSERT_BUNDLE, (f"model of {label}",))
        flap = f"flap-{label}" if reason == "sorted" else None
        where = label if flap else "residual"
        values = {
            "run": 1, "row": row, "item": row, "wall_time": at, "crossed_at": int(at * NS_PER_S), "label": label, "bin": where,
            "reason": reason, "actuator": flap, "landed_in": "(expected)" if watched else None,
        }  # fmt: skip
        names = [name.strip() for name in schema.UPSERT_OUTCOME.split("(", 1)[1].split(")")[0].split(",")]
        self.do(
            schema.UPSERT_OUTCOME, [f"model of {label}" if name == "bundle" else values.get(name) for name in names]
        )

    def strike(self, row: int, at: float, end: str) -> None:
        self.do(schema.UPSERT_STROKE, (1, row, row, at, "flap", "", int(at * NS_PER_S), 2, 1, 2, end))

    def land(self, row: int, at: float, where: str) -> None:
        self.do(schema.UPSERT_LANDING, (1, row, row, at, int(at * NS_PER_S), where))

    def set_date(self, offset: float) -> None:
        """Move the rows as the writer does; those that are gone stay where they were counted."""
        gone = self.gone()
        dates = dict(self.every_row.execute("SELECT row, wall_time FROM items").fetchall())
        self.do(
            schema.REDATE["items"], {"below": 1 << 62, "rows": 1000, "boot": "boot", "offset": offset, "jump": 60.0}
        )
        for row in gone:
            self.every_row.execute("UPDATE items SET wall_time = ? WHERE row = ?", (dates[row], row))

    def drop(self, statement: str, parameters: Sequence[Any]) -> None:
        self.journal.execute(statement, parameters)

    def gone(self) -> set[int]:
        left = {row for (row,) in self.journal.execute("SELECT row FROM items")}
        return {row for (row,) in self.every_row.execute("SELECT row FROM items")} - left


ROWS, DATES = st.integers(1, 12), st.sampled_from([10.0, 3599.9, 3600.0, 9000.0, 400_000.0])
STEPS: st.SearchStrategy[Callable[[Twins], None]] = st.one_of(
    st.builds(
        lambda row, at, label, reason, watched: lambda twins: twins.decide(row, at, label, reason, watched),
        ROWS, DATES, st.sampled_from(["glass", "paper", ""]), st.sampled_from(["sorted", "unsure"]), st.booleans(),
    ),
    st.builds(lambda row, at, end: lambda twins: twins.strike(row, at, end), ROWS, DATES, st.sampled_from(["fired", "refused"])),
    st.builds(lambda row, at, where: lambda twins: twins.land(row, at, where), ROWS, DATES, st.sampled_from(["glass", "(not seen)"])),
    st.builds(lambda offset: lambda twins: twins.set_date(offset), st.sampled_from([0.0, 7200.0, 1e6])),
    st.builds(lambda rows: lambda twins: twins.drop(schema.DELETE_OLDEST["items"], (rows,)), st.integers(1, 4)),
    st.builds(lambda before: lambda twins: twins.drop(schema.DELETE_AGED["items"], (512, before)), st.sampled_from([3600.0, 1e7])),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(steps=st.lists(STEPS, max_size=40))
def test_the_sums_are_those_of_all_rows_ever_written(steps: list[Callable[[Twins], None]]) -> None:
    twins = Twins()
    twins.do(schema.MARK_DATED, ("boot",))  # only rows whose date was known grow old
    for step in steps:
        gone = twins.gone()
        step(twins)
        if gone - twins.gone():
            return  # written of an item after it went: no writer does that, an item is hours older when it goes
        assert sums_in(twins.journal) == counted_rows(twins.every_row)
        assert rows_outside_of_their_sums(twins.journal) == []


def test_what_grew_old_stays_counted(tmp_path: Path) -> None:
    clock = VirtualClock()
    journal = build_journal(tmp_path, clock, JournalSettings(keep_crops="none", max_days=0.1))
    clock.date_known = True
    for item_id in range(1, 100):
        clock.advance_to(clock.now() + 600 * NS_PER_S)
        journal.record(outcome(item_id, clock.now(), Reason.UNSURE))
        journal.store_pending()
    journal.close()
    with closing(sqlite3.connect(tmp_path / "journal.db")) as file:
        left = file.execute("SELECT count(*) FROM items").fetchone()[0]
    assert left < 50
    assert count_items({"": tmp_path / "journal.db"}, [By.BIN], Selection()) == Counter({("residual",): 99})


def test_a_batch_that_is_stored_twice_is_counted_once(tmp_path: Path) -> None:
    clock = VirtualClock()
    journal = build_journal(tmp_path, clock)
    entry = outcome(1, NS_PER_S)
    for _ in range(2):
        journal.record(entry)
        journal.record(stroke(entry))
        journal.store_pending()
    journal.close()
    assert count_items({"": tmp_path / "journal.db"}, [By.REASON], Selection()) == Counter({("sorted",): 1})


@pytest.mark.parametrize("version", range(1, len(schema.MIGRATIONS)))
def test_a_journal_of_before_is_counted_when_it_is_taken_over(tmp_path: Path, version: int) -> None:
    journal = build_journal(tmp_path, clock := VirtualClock())
    record_many(journal, clock, range(1, 60))
    journal.close()
    make_older(tmp_path / "journal.db", version)
    journal = build_journal(tmp_path, clock, run_id="run-2")
    record_many(journal, clock, range(1, 10))
    journal.close()
    with closing(sqlite3.connect(tmp_path / "journal.db")) as file:
        assert sums_in(file) == counted_rows(file)
        assert sums_in(file).total() == 68
        assert rows_outside_of_their_sums(file) == []


def test_the_oldest_hours_go_when_their_share_of_the_room_is_used() -> None:
    twins = Twins()
    for row in range(1, 101):
        twins.decide(row, row * HOUR_S, "glass", "unsure", False)
    sums.trim(twins.journal, 1000 * sums.SHARE * sums.ROW_BYTES)
    assert sums_in(twins.journal).total() == 100
    sums.trim(twins.journal, 30 * sums.SHARE * sums.ROW_BYTES)
    assert sorted(key[0] for key in sums_in(twins.journal)) == list(range(71, 101))
