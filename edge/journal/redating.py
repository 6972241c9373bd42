"""Rows that were written while the date was wrong: when it is set, those of this boot move with it."""

from __future__ import annotations

from typing import Any, Protocol

from edge.journal import schema
from edge.journal.dates import JUMP_S

REDATED_AT_ONCE = 2_000  # rows; a batch never waits for long


class Connection(Protocol):
    """What is needed of a database connection."""

    def execute(self, sql: str, parameters: Any = ..., /) -> Any: ...


class Redating:
    """Dates the rows of this boot anew, some at each turn; a run that was cut off meanwhile is taken up at the next start.

    `boot_id` may be empty: then no rows can be told to be this boot's.
    """

    def __init__(self, connection: Connection, boot_id: str, offset_s: float) -> None:
        """`offset_s` is the date of the instant 0 as it is now; earlier runs of this boot may have had another.

        Raises:
            sqlite3.Error: the file can't be read.
        """
        self.boot_id = boot_id
        self._connection = connection
        self._offset_s = offset_s
        self._below: dict[str, int] = {}
        misdated = connection.execute(schema.MISDATED_RUNS, (boot_id, offset_s, JUMP_S)).fetchone()[0]
        if misdated:
            self.begin(offset_s)

    @property
    def is_due(self) -> bool:
        """Whether rows are still to be moved."""
        return bool(self._below)

    def begin(self, offset_s: float) -> None:
        """Move all rows of this boot from now on: the date was set."""
        self._offset_s = offset_s
        if self.boot_id:
            self._below = dict.fromkeys(schema.REDATE, 1 << 62)

    def step(self) -> None:
        """Move some rows.

        Raises:
            sqlite3.Error: the disk does not let us; what was moved stays so, and moving again is harmless.
        """
        if self._below:
            # A date that was known may have been set to a wrong one: rows that are moved to it must not count as old.
            self._connection.execute(schema.UNMARK_DATED, (self.boot_id,))
        for table, below in list(self._below.items()):
            part = {"below": below, "rows": REDATED_AT_ONCE, "boot": self.boot_id}
            lowest, is_over = self._connection.execute(schema.REDATED[table], part).fetchone()
            moved = {**part, "offset": self._offset_s, "jump": JUMP_S}
            self._connection.execute(schema.REDATE[table], moved)
            if lowest is None or is_over:
                del self._below[table]
                if not self._below:
                    self._connection.execute(schema.REDATE_RUNS, (self._offset_s, self.boot_id))
            else:
                self._below[table] = lowest
