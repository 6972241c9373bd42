"""How many items of which kind came in each hour, day or week: what a page draws; bounded in steps and kinds."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from math import ceil
from typing import Final

from edge.errors import JournalError
from edge.journal import sums
from edge.journal.reading import Category, read_categories

MOST_STEPS: Final = 400
MOST_KINDS: Final = 500


class Step(StrEnum):
    """How much time one count is of; days begin at midnight of the local time zone."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"


class TooMuchError(JournalError):
    """More was asked for than is answered at once."""


Kind = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Series:
    """Items by kind, one number a step; `begins` holds when each step begins and, at its end, when the last one is over."""

    begins: Sequence[float]
    counts: dict[Kind, list[int]]


def steps_between(since: float, until: float, step: Step) -> list[float]:
    """Return when the steps begin, and when the last ends, seconds since the epoch; the first begins at `since` or before.

    Raises:
        TooMuchError: they are more than MOST_STEPS.
    """
    begin = datetime.fromtimestamp(since).astimezone().replace(tzinfo=None, minute=0, second=0, microsecond=0)
    if step is not Step.HOUR:
        begin = begin.replace(hour=0)
    length = {Step.HOUR: timedelta(hours=1), Step.DAY: timedelta(days=1), Step.WEEK: timedelta(days=7)}[step]
    edges = [begin.timestamp()]
    while edges[-1] < until:
        if len(edges) > MOST_STEPS:
            raise TooMuchError(f"from, to: expected at most {MOST_STEPS} steps; ask for longer steps or less time")
        # Hours have the same length all the year; a day is one on the calendar, an hour more or less when clocks change.
        later = edges[-1] + length.seconds if step is Step.HOUR else (begin + length * len(edges)).timestamp()
        edges.append(later)
    return edges


def read_series(connection: sqlite3.Connection, begins: Sequence[float], kind_of: Callable[[Category], Kind]) -> Series:
    """Return the items in a journal by kind and step; an hour belongs to the step in which it begins.

    Raises:
        TooMuchError: there are more kinds than MOST_KINDS.
        sqlite3.Error: the journal is damaged or can't be read.
    """
    sums.count_older(connection)
    kinds: dict[Kind, int] = {}
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute("CREATE TEMP TABLE kinds (category INTEGER PRIMARY KEY, kind INTEGER NOT NULL)")
    connection.executemany(
        "INSERT INTO kinds VALUES (?, ?)",
        [(number, kinds.setdefault(kind_of(category), len(kinds))) for number, category in read_categories(connection)],
    )
    if len(kinds) > MOST_KINDS:
        raise TooMuchError(f"by: these are {len(kinds)} kinds; expected at most {MOST_KINDS}; ask by less")
    add_steps(connection, begins)
    name_of = list(kinds)
    counts: dict[Kind, list[int]] = {}
    # In this order each step is one look into the sums, which lie in the order of hours.
    for step, kind, items in connection.execute(
        "SELECT s.step, k.kind, CAST(sum(h.items) AS INTEGER) FROM steps s CROSS JOIN hourly h "
        "ON h.hour BETWEEN s.first AND s.last CROSS JOIN kinds k USING (category) GROUP BY 1, 2"
    ):
        counts.setdefault(name_of[kind], [0] * (len(begins) - 1))[step] = items
    return Series(begins, counts)


def add_steps(connection: sqlite3.Connection, begins: Sequence[float]) -> None:
    """Give an open journal a table `steps`, in memory, of the hours of each step."""
    hours = [ceil(begin / sums.SECONDS) for begin in begins]
    connection.execute("CREATE TEMP TABLE steps (step INTEGER PRIMARY KEY, first INTEGER, last INTEGER)")
    connection.executemany(
        "INSERT INTO steps VALUES (?, ?, ?)",
        [(step, first, after - 1) for step, (first, after) in enumerate(pairwise(hours))],
    )
