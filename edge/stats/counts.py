"""How many items, by hour, day, bin, label, what became of them, model and station: from the journal's sums of whole hours."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from math import ceil, floor
from pathlib import Path
from typing import Final

from edge.journal import sums
from edge.journal.reading import Category, open_for_reading, read_categories

Key = tuple[str, ...]
NO_DATE: Final = "?"
"""In the place of a date that is damaged."""


class By(StrEnum):
    """What items are counted by; hours and days are those of the local time zone."""

    STATION = "station"
    DAY = "day"
    HOUR = "hour"
    BIN = "bin"
    LABEL = "label"
    REASON = "reason"
    MODEL = "model"


TIMES: Final = (By.DAY, By.HOUR)
CATEGORY: Final = (By.BIN, By.LABEL, By.REASON, By.MODEL)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which items; None: all. `since` and `until` are seconds since the epoch and mean the whole hours that they are in."""

    since: float | None = None
    until: float | None = None
    bin: str | None = None
    label: str | None = None
    reason: str | None = None

    @property
    def hours(self) -> tuple[int, int]:
        """The first hour and the last, counted since 1970."""
        first = -1 << 63 if self.since is None else floor(self.since / sums.SECONDS)
        return first, (1 << 63) - 1 if self.until is None else ceil(self.until / sums.SECONDS) - 1

    def takes(self, category: Category) -> bool:
        """Say whether these items are meant."""
        wanted = ((self.bin, category.bin), (self.label, category.label), (self.reason, category.reason))
        return all(want in (None, has) for want, has in wanted)


def count_items(journals: Mapping[str, Path], by: Sequence[By], selection: Selection) -> Counter[Key]:
    """Return how many items there were by what is asked for, in that order; `journals` are named by their stations.

    Raises:
        JournalError: a journal is missing, damaged, too new or can't be read.
    """
    counts: Counter[Key] = Counter()
    times, parts = [one for one in by if one in TIMES], [one for one in by if one in CATEGORY]
    for station, path in journals.items():
        with open_for_reading(path) as connection:
            for time, kind, items in _sums(connection, times, parts, selection):
                values = dict(zip((By.STATION, *times, *parts), (station, *time, *kind), strict=True))
                counts[tuple([values[one] for one in by])] += items
    return counts


def _sums(
    connection: sqlite3.Connection, times: Sequence[By], parts: Sequence[By], selection: Selection
) -> Iterator[tuple[Key, Key, int]]:
    """Yield the names of the time and of the kind, and the number of items; SQLite adds, so that a year is few rows here."""
    sums.count_older(connection)
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute("CREATE TEMP TABLE wanted (category INTEGER PRIMARY KEY, kind INTEGER NOT NULL)")
    connection.execute("CREATE TEMP TABLE named (hour INTEGER PRIMARY KEY, time INTEGER NOT NULL)")
    kinds: dict[Key, int] = {}
    for number, category in read_categories(connection):
        if selection.takes(category):
            kind = kinds.setdefault(tuple(category[CATEGORY.index(one)] for one in parts), len(kinds))
            connection.execute("INSERT INTO wanted VALUES (?, ?)", (number, kind))
    hours = connection.execute("SELECT DISTINCT hour FROM hourly WHERE hour BETWEEN ? AND ?", selection.hours)
    names: dict[Key, int] = {}
    connection.executemany(
        "INSERT INTO named VALUES (?, ?)",
        [
            (hour, names.setdefault(tuple(name_hour(hour, one) for one in times), len(names)))
            for (hour,) in hours.fetchall()
        ],
    )
    name_of, kind_of = list(names), list(kinds)
    # In this order: SQLite would begin with the categories and look for their hours in an index that it has to make.
    for name, kind, items in connection.execute(
        "SELECT time, kind, sum(items) FROM hourly CROSS JOIN named USING (hour) CROSS JOIN wanted USING (category) "
        "GROUP BY time, kind"
    ):
        yield name_of[name], kind_of[kind], items


def name_hour(hour: int, by: By) -> str:
    """Return the day, or the hour, in which an hour begins that is counted since 1970: ISO 8601, local time."""
    try:
        begins = datetime.fromtimestamp(hour * sums.SECONDS).astimezone()
    except (ValueError, OverflowError, OSError):
        return NO_DATE
    return begins.date().isoformat() if by is By.DAY else begins.isoformat(timespec="minutes")
