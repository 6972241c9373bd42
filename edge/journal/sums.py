"""How many items came in each hour, kept beside the rows and longer than they: a year of them is one short query.

Triggers keep the sums, so each statement that inserts or changes an item counts it anew in its own transaction, however
often it is repeated, and whether the writer, a new date or a copy on a workstation is behind it. Rows that go because they
are old stay counted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

SECONDS: Final = 3600
SHARE: Final = 10  # of the journal's room, a tenth
ROW_BYTES: Final = 20  # of one sum with its share of the pages; measured by benchmarks/year.py
TRIMMED_EVERY: Final = 1024  # batches

# What the items of one category have in common; `reason` with the four after it says what became of them, see edge/tally.py.
COLUMNS: Final = {
    "label": "coalesce(CAST({row}.label AS TEXT), '')",
    "bin": "coalesce(CAST({row}.bin AS TEXT), '')",
    "bundle": "coalesce(CAST({row}.bundle AS INTEGER), 0)",
    "reason": "coalesce(CAST({row}.reason AS TEXT), '')",
    "has_stroke": "({row}.actuator IS NOT NULL)",
    "outcome": "coalesce(CAST({row}.outcome AS TEXT), '')",
    "landed_in": "coalesce(CAST({row}.landed_in AS TEXT), '')",
}
HOUR: Final = f"CAST({{row}}.wall_time / {SECONDS} AS INTEGER)"
_SOURCES = ("wall_time", "label", "bin", "bundle", "reason", "actuator", "outcome", "landed_in")
_NAMES = ", ".join(COLUMNS)


def columns_of(row: str) -> str:
    """Return, in SQL, the category's columns of that row of `items`."""
    return ", ".join(column.format(row=row) for column in COLUMNS.values())


def is_category(row: str) -> str:
    """Return, in SQL, that the category `c` is the one of that row of `items`."""
    return " AND ".join(f"c.{name} = {column.format(row=row)}" for name, column in COLUMNS.items())


def _count(row: str, names: str = "", values: str = "", widened: str = "") -> str:
    return f"""
            INSERT INTO categories ({_NAMES}) SELECT {columns_of(row)}
                WHERE NOT EXISTS (SELECT 1 FROM categories c WHERE {is_category(row)});
            INSERT INTO hourly (hour, category, items{names})
                SELECT {HOUR.format(row=row)}, c.category, 1{values} FROM categories c WHERE {is_category(row)}
                ON CONFLICT (hour, category) DO UPDATE SET items = items + 1{widened};"""


def _count_with_row(row: str) -> str:
    values = f", {row}.row, {row}.row"
    widened = (
        f", first_row = min(coalesce(first_row, {row}.row), {row}.row)"
        f", last_row = max(coalesce(last_row, {row}.row), {row}.row)"
    )
    return _count(row, ", first_row, last_row", values, widened)


def _discount(row: str) -> str:
    one = f"hour = {HOUR.format(row=row)} AND category = (SELECT c.category FROM categories c WHERE {is_category(row)})"
    return f"""
            UPDATE hourly SET items = items - 1 WHERE {one};
            DELETE FROM hourly WHERE {one} AND items <= 0;"""


_IS_ANOTHER = " OR ".join(
    f"{column.format(row='OLD')} IS NOT {column.format(row='NEW')}" for column in (HOUR, *COLUMNS.values())
)

_TABLES: Final = (
    f"""
        CREATE TABLE categories (
            category INTEGER PRIMARY KEY, label TEXT NOT NULL, bin TEXT NOT NULL, bundle INTEGER NOT NULL,
            reason TEXT NOT NULL, has_stroke INTEGER NOT NULL, outcome TEXT NOT NULL, landed_in TEXT NOT NULL,
            UNIQUE ({_NAMES})
        )""",
    """
        CREATE TABLE hourly (
            hour INTEGER NOT NULL, category INTEGER NOT NULL, items INTEGER NOT NULL, PRIMARY KEY (hour, category)
        ) WITHOUT ROWID""",
)
_COUNTED: Final = (
    f"INSERT INTO categories ({_NAMES}) SELECT DISTINCT {columns_of('t')} FROM items t",
    f"""
        INSERT INTO hourly SELECT {HOUR.format(row="t")}, c.category, count(*)
        FROM items t JOIN categories c ON {is_category("t")} GROUP BY 1, 2""",
)


def _triggers(count: Callable[[str], str]) -> tuple[str, str]:
    return (
        f"""
        CREATE TRIGGER item_came AFTER INSERT ON items BEGIN{count("NEW")}
        END""",
        f"""
        CREATE TRIGGER item_changed AFTER UPDATE OF {", ".join(_SOURCES)} ON items WHEN {_IS_ANOTHER}
        BEGIN{_discount("OLD")}{count("NEW")}
        END""",
    )


MIGRATION: Final = (
    *_TABLES,
    *_COUNTED,
    # What chance chose to be kept is found without reading all rows; they are few.
    "CREATE INDEX by_chance ON items (row) WHERE kept = 'random'",
    *_triggers(_count),
)
"""The statements that lead to a journal with sums; the rows that are there are counted at once."""

WITH_ROWS: Final = (
    "DROP TRIGGER item_came",
    "DROP TRIGGER item_changed",
    "ALTER TABLE hourly ADD COLUMN first_row INTEGER",
    "ALTER TABLE hourly ADD COLUMN last_row INTEGER",
    f"""
        UPDATE hourly SET first_row = found.first_row, last_row = found.last_row FROM (
            SELECT {HOUR.format(row="t")} AS hour, c.category, min(t.row) AS first_row, max(t.row) AS last_row
            FROM items t JOIN categories c ON {is_category("t")} GROUP BY 1, 2
        ) found WHERE hourly.hour = found.hour AND hourly.category = found.category""",
    *_triggers(_count_with_row),
)
"""The statements that make each sum say between which rows its items are, so that rare ones are found without an index."""

MEANINGS: Final = {
    "categories": {
        "category": "number of the category, counted up",
        "label": "what the model said; empty: it was not asked",
        "bin": "the bin that the items were meant for; empty: their own row is lost",
        "bundle": "the model that was at work; 0: none is known",
        "reason": "why there",
        "has_stroke": "1: something was to move for them",
        "outcome": "what became of the stroke; empty: not known yet, or there is none",
        "landed_in": "as in the table of items; empty: the bin has no exit sensor",
    },
    "hourly": {
        "hour": "hours since 1970",
        "category": "the category of these items",
        "items": "how many there were",
        "first_row": "none of their rows in the table of items is lower; null: an older version counted them, and the rows are gone",
        "last_row": "none of their rows is higher",
    },
}
_OLDEST = "DELETE FROM hourly WHERE hour <= (SELECT hour FROM hourly ORDER BY hour, category LIMIT 1 OFFSET ?)"


class Executes(Protocol):
    """What is needed of a database connection."""

    def execute(self, sql: str, parameters: Any = ..., /) -> Any: ...


def trim(connection: Executes, max_bytes: int) -> None:
    """Drop the sums of the oldest hours that do not fit in their share of so much room; 200 MB hold about six years.

    Raises:
        sqlite3.Error: the disk does not let us.
    """
    surplus = connection.execute("SELECT count(*) FROM hourly").fetchone()[0] - max_bytes // SHARE // ROW_BYTES
    if surplus > 0:
        connection.execute(_OLDEST, (surplus - 1,))


def count_older(connection: Executes) -> None:
    """Give a journal of a version without sums, which is only read, those of the rows that are there, in memory.

    Raises:
        sqlite3.Error: the file is damaged or can't be read.
    """
    if connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'hourly'").fetchone() is None:
        connection.execute("PRAGMA temp_store = MEMORY")
        for statement in (*(table.replace("CREATE TABLE", "CREATE TEMP TABLE") for table in _TABLES), *_COUNTED):
            connection.execute(statement)
