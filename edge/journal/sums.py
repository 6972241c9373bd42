"""How many items came in each hour, by what they have in common."""

from __future__ import annotations

from typing import Any, Final, Protocol

SECONDS: Final = 3600

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
_NAMES = ", ".join(COLUMNS)


def columns_of(row: str) -> str:
    """Return, in SQL, the category's columns of that row of `items`."""
    return ", ".join(column.format(row=row) for column in COLUMNS.values())


def _is_category(row: str) -> str:
    return " AND ".join(f"c.{name} = {column.format(row=row)}" for name, column in COLUMNS.items())


_TABLES: Final = (
    f"""
        CREATE TEMP TABLE categories (
            category INTEGER PRIMARY KEY, label TEXT NOT NULL, bin TEXT NOT NULL, bundle INTEGER NOT NULL,
            reason TEXT NOT NULL, has_stroke INTEGER NOT NULL, outcome TEXT NOT NULL, landed_in TEXT NOT NULL,
            UNIQUE ({_NAMES})
        )""",
    """
        CREATE TEMP TABLE hourly (
            hour INTEGER NOT NULL, category INTEGER NOT NULL, items INTEGER NOT NULL, PRIMARY KEY (hour, category)
        ) WITHOUT ROWID""",
)
_COUNTED: Final = (
    f"INSERT INTO categories ({_NAMES}) SELECT DISTINCT {columns_of('t')} FROM items t",
    f"""
        INSERT INTO hourly SELECT {HOUR.format(row="t")}, c.category, count(*)
        FROM items t JOIN categories c ON {_is_category("t")} GROUP BY 1, 2""",
)


class Executes(Protocol):
    """What is needed of a database connection."""

    def execute(self, sql: str, parameters: Any = ..., /) -> Any: ...


def count_rows(connection: Executes) -> None:
    """Count the rows of a journal that is only read into tables in memory.

    Raises:
        sqlite3.Error: the file is damaged or can't be read.
    """
    connection.execute("PRAGMA temp_store = MEMORY")
    for statement in (*_TABLES, *_COUNTED):
        connection.execute(statement)
