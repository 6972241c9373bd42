"""How long deciding took, and how much time was left until the strokes: from a sample of the rows of each step of time."""

from __future__ import annotations

import json
import sqlite3
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from edge.clock import NS_PER_MS
from edge.journal.searching import check_current
from edge.stats.series import add_steps

MOST_ROWS: Final = 20_000
"""How many rows are looked at for one answer, evenly over the steps and within each."""


@dataclass(slots=True)
class StepTiming:
    """The durations of one step's sample, ms; None where no row is left of it."""

    deciding: list[float] = field(default_factory=list)
    spare: list[float] = field(default_factory=list)

    def describe(self) -> dict[str, Any]:
        """Return how many were looked at, their medians, and what all but one in a hundred kept to."""
        deciding, spare = sorted(self.deciding), sorted(self.spare)
        return {
            "items": len(deciding),
            "deciding_ms": _at(deciding, 0.5),
            "deciding_p99_ms": _at(deciding, 0.99),
            "spare_ms": _at(spare, 0.5),
            "spare_p1_ms": _at(spare, 0.01),
        }


def read_timing(connection: sqlite3.Connection, begins: Sequence[float]) -> list[StepTiming]:
    """Return the durations of a sample of the items of each step; `begins` as in a Series.

    Raises:
        JournalError: an older version wrote the journal.
        sqlite3.Error: the journal is damaged or can't be read.
    """
    check_current(connection)
    found = [StepTiming() for _ in begins[1:]]
    for wall_time, deciding, spare in _sample(connection, begins):
        step = bisect_right(begins, wall_time) - 1
        if not 0 <= step < len(found):
            continue  # its date was put right, and the sum that led here is of another hour
        if deciding is not None:
            found[step].deciding.append(deciding / NS_PER_MS)
        if spare is not None:
            found[step].spare.append(spare / NS_PER_MS)
    return found


def _sample(connection: sqlite3.Connection, begins: Sequence[float]) -> list[Any]:
    connection.execute("PRAGMA temp_store = MEMORY")
    add_steps(connection, begins)
    spans = connection.execute(
        "SELECT CAST(min(h.first_row) AS INTEGER), CAST(max(h.last_row) AS INTEGER) "
        "FROM steps s CROSS JOIN hourly h ON h.hour BETWEEN s.first AND s.last GROUP BY s.step"
    ).fetchall()
    each = MOST_ROWS // max(1, len(spans))
    rows: set[int] = set()  # where dates were put right, the spans overlap
    for first, last in spans:
        if first is not None and last is not None and first <= last:
            stride = max(1, -(-(last - first + 1) // each))
            rows.update(range(first, last + 1, stride))
    return connection.execute(
        "SELECT CAST(t.wall_time AS REAL), CAST(t.decided_at AS INTEGER) - CAST(t.crossed_at AS INTEGER), "
        "CAST(t.fire_at AS INTEGER) - CAST(t.decided_at AS INTEGER) "
        "FROM json_each(?) r CROSS JOIN items t ON t.row = r.value WHERE t.wall_time IS NOT NULL",
        (json.dumps(sorted(rows)),),
    ).fetchall()


def _at(ordered: Sequence[float], share: float) -> float | None:
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 1) if ordered else None
