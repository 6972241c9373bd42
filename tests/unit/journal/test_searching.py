"""Searching finds what reading all rows would, in the same order, each item once, whatever the dates of the rows are."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import JournalError
from edge.journal import schema
from edge.journal.searching import Search, check_current, search_items

HOUR_S = 3600.0
Row = tuple[int, float, str, str, float]
DATES = st.sampled_from([1.0, 2 * HOUR_S, 9 * HOUR_S, 9.5 * HOUR_S, 400_000.0])
ROWS = st.lists(
    st.tuples(DATES, st.sampled_from(["glass", "paper", ""]), st.sampled_from(["sorted", "unsure"]), st.floats(0, 1)),
    max_size=40,
)
MAYBE_DATE = st.one_of(st.none(), st.sampled_from([0.0, HOUR_S, 9.25 * HOUR_S, 10 * HOUR_S]))
SEARCHES = st.builds(
    Search,
    since=MAYBE_DATE,
    until=MAYBE_DATE,
    bin=st.sampled_from([None, "glass", "residual"]),
    label=st.sampled_from([None, "glass", "paper"]),
    reason=st.sampled_from([None, "sorted", "unsure", "under-way"]),
    min_score=st.sampled_from([None, 0.25]),
    max_score=st.sampled_from([None, 0.75]),
)


def open_journal(rows: Sequence[tuple[float, str, str, float]]) -> sqlite3.Connection:
    """Return a journal in memory with these items, every other number left out."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    for statement in (statement for statements in schema.MIGRATIONS for statement in statements):
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {len(schema.MIGRATIONS)}")
    connection.create_function("happened", 4, lambda reason, *_: None if reason is None else reason.decode())
    connection.execute(schema.INSERT_RUN, ("run", "boot", "0", 0, 0.0))
    for number, (at, label, reason, score) in enumerate(rows):
        connection.execute(
            "INSERT INTO items (row, run, item, wall_time, label, bin, reason, score) VALUES (?, 1, ?, ?, ?, ?, ?, ?)",
            (2 * number + 5, number, at, label, label if reason == "sorted" else "residual", reason, score),
        )
    return connection


def wanted_of(rows: Sequence[tuple[float, str, str, float]], search: Search) -> list[int]:
    """Return the numbers of the rows that are meant, newest first, by looking at each."""
    found = []
    for number, (at, label, reason, score) in enumerate(rows):
        where = label if reason == "sorted" else "residual"
        scored = label != "" or (search.min_score is None and search.max_score is None)
        if (
            (search.since is None or at >= search.since)
            and (search.until is None or at < search.until)
            and search.bin in (None, where)
            and search.label in (None, label)
            and search.reason in (None, reason)
            and scored
            and (search.min_score is None or score >= search.min_score)
            and (search.max_score is None or score <= search.max_score)
        ):
            found.append(2 * number + 5)
    return found[::-1]


@settings(max_examples=300, deadline=None)
@given(rows=ROWS, search=SEARCHES, limit=st.integers(1, 5), most_rows=st.integers(1, 30), most_spans=st.integers(1, 4))
def test_paging_finds_every_item_once_and_newest_first(
    rows: list[tuple[float, str, str, float]], search: Search, limit: int, most_rows: int, most_spans: int
) -> None:
    connection = open_journal(rows)
    found: list[int] = []
    before = None
    while True:
        connection.execute("DROP TABLE IF EXISTS temp.wanted")
        page = search_items(connection, replace(search, before=before), limit, most_rows, most_spans)
        assert len(page.items) <= limit
        found += [item.row for item in page.items]
        if page.before is None:
            break
        assert before is None or page.before < before, "it goes on further back"
        before = page.before
    assert found == wanted_of(rows, search)


def test_a_rare_label_is_found_without_reading_what_lies_between() -> None:
    rows = [(1000.0 * number, "glass" if number == 3 else "paper", "sorted", 0.9) for number in range(2000)]
    found = search_items(open_journal(rows), Search(label="glass"), 10, most_rows=20)
    assert [item.row for item in found.items] == [11]
    assert found.before is None, "all of it was searched"


def test_rows_that_are_gone_are_not_looked_for() -> None:
    connection = open_journal([(1000.0 * number, "paper", "sorted", 0.9) for number in range(100)])
    connection.execute("DELETE FROM items WHERE row < 150")
    assert [item.row for item in search_items(connection, Search(label="paper", until=80_000.0), 50).items] == list(
        range(163, 149, -2)
    )


def test_a_journal_of_an_older_version_is_refused_in_a_sentence() -> None:
    connection = open_journal([])
    connection.execute("PRAGMA user_version = 4")
    with pytest.raises(JournalError, match="An older version wrote the journal"):
        check_current(connection)
