"""Finds items, newest first, a page at a time: the sums of the hours say between which rows those of a kind are.

So a rare label of last year is found without reading the rows in between, and no index has to be kept for it. A score has no
sums: rows are looked through, but only so many at a time, and the answer says how far it came.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import Any, Final

from edge.errors import JournalError
from edge.journal import schema, sums
from edge.journal.reading import ItemRecord, read_categories, selecting

MOST_ROWS: Final = 20_000
"""Rows that are looked through for one answer."""
MOST_SPANS: Final = 500
"""Hours whose rows are looked at for one answer."""


@dataclass(frozen=True, slots=True)
class Search:
    """Which items; None: all. `since` and `until` are seconds since the epoch, `before` is the row to go on from."""

    since: float | None = None
    until: float | None = None
    bin: str | None = None
    label: str | None = None
    reason: str | None = None
    min_score: float | None = None
    max_score: float | None = None
    before: int | None = None

    @property
    def is_of_a_kind(self) -> bool:
        """Whether only some categories are meant."""
        return any(part is not None for part in (self.bin, self.label, self.reason))

    def where(self) -> tuple[str, list[Any]]:
        """Return the condition in SQL and its parameters; the categories are in the table `wanted`."""
        terms = {
            "t.wall_time >= ?": self.since,
            "t.wall_time < ?": self.until,
            "t.bin = ?": self.bin,
            "t.label = ?": self.label,
            "t.score >= ?": self.min_score,
            "t.score <= ?": self.max_score,
        }
        given = {term: value for term, value in terms.items() if value is not None}
        if self.min_score is not None or self.max_score is not None:
            given["t.label <> ?"] = ""  # without a label there is no score
        conditions = list(given)
        if self.reason is not None:
            conditions.append(
                f"(SELECT c.category FROM categories c WHERE {sums.is_category('t')}) IN (SELECT category FROM wanted)"
            )
        return " AND ".join(["1", *conditions]), list(given.values())


@dataclass(frozen=True, slots=True)
class Found:
    """A page of items, newest first; `before` is the row to go on from, None where there is nothing further back."""

    items: Sequence[ItemRecord]
    before: int | None


def search_items(
    connection: sqlite3.Connection,
    search: Search,
    limit: int,
    most_rows: int = MOST_ROWS,
    most_spans: int = MOST_SPANS,
) -> Found:
    """Return the next matching items, at most `limit`; fewer, or none, where `most_rows` were looked through.

    Raises:
        JournalError: an older version wrote the journal.
        sqlite3.Error: the journal is damaged or can't be read.
    """
    check_current(connection)
    spans, next_span = _spans(connection, search, most_spans)
    where, parameters = search.where()
    select = selecting(connection, ItemRecord)
    found: list[ItemRecord] = []
    rows_left = most_rows
    for first, last in spans:
        lowest = max(first, last - rows_left + 1)
        condition = f"{where} AND t.row BETWEEN ? AND ? ORDER BY t.row DESC LIMIT ?"
        found += select(condition, [*parameters, lowest, last, limit - len(found)])
        if len(found) == limit:
            return Found(found, found[-1].row)
        rows_left -= last - lowest + 1
        if not rows_left:
            return Found(found, lowest)
    return Found(found, next_span)


def check_current(connection: sqlite3.Connection) -> None:
    """Refuse a journal whose sums don't tell where their rows are.

    Raises:
        JournalError: an older version wrote it.
    """
    if connection.execute("PRAGMA user_version").fetchone()[0] < len(schema.MIGRATIONS):
        raise JournalError(
            "An older version wrote the journal. The sorter takes it over when it stores its next row; "
            "until then read it with sorter journal list"
        )


def _spans(connection: sqlite3.Connection, search: Search, most: int) -> tuple[list[tuple[int, int]], int | None]:
    """Return between which rows to look, the highest first and none twice, and the row from which on there are more."""
    lowest = connection.execute("SELECT min(row) FROM items").fetchone()[0] or 0
    before = 1 << 62 if search.before is None else search.before
    wanted = ""
    if search.is_of_a_kind:
        wanted = "AND h.category IN (SELECT category FROM wanted)"
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("CREATE TEMP TABLE wanted (category INTEGER PRIMARY KEY)")
        connection.executemany("INSERT INTO wanted VALUES (?)", [(number,) for number in _wanted(connection, search)])
    if not wanted and search.since is None and search.until is None:
        highest = connection.execute("SELECT max(row) FROM items").fetchone()[0] or 0
        return ([(lowest, min(highest, before - 1))] if lowest < before else []), None
    hours = (
        -1 << 62 if search.since is None else floor(search.since / sums.SECONDS),
        1 << 62 if search.until is None else ceil(search.until / sums.SECONDS) - 1,
    )
    rows = connection.execute(
        "SELECT max(min(h.first_row), ?) AS first, min(max(h.last_row), ? - 1) AS last FROM hourly h "
        f"WHERE h.hour BETWEEN ? AND ? AND typeof(h.first_row) = 'integer' {wanted} "
        "GROUP BY h.hour HAVING first <= last ORDER BY last DESC, first LIMIT ?",
        (lowest, before, *hours, most + 1),
    ).fetchall()
    # The row after the first span that is left out; at least one row is looked at, whatever overlaps.
    further = min(rows[most][1] + 1, rows[0][1]) if len(rows) > most else None
    spans = [(max(first, further or lowest), last) for first, last in rows[:most]]
    return list(_merged(spans)), further


def _merged(spans: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield what the spans cover, the highest first; they are in the order of their ends."""
    below = None
    for first, last in spans:
        end = last if below is None else min(last, below - 1)
        if first <= end:
            yield first, end
            below = first


def _wanted(connection: sqlite3.Connection, search: Search) -> Iterator[int]:
    for number, category in read_categories(connection):
        wanted = ((search.bin, category.bin), (search.label, category.label), (search.reason, category.reason))
        if all(want in (None, has) for want, has in wanted):
            yield number
