"""What a year in the journal takes: how fast it is summed up, how large it is, and what the sums cost the writer.

    python benchmarks/year.py [--items N] [--folder FOLDER]

A generated year of items that come by day, five bins, a model every two months; every item with its stroke, every third
with an exit sensor. Each query is asked five times, and the slowest counts; all
spans are processor time, so that whatever else runs does not count.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from edge.journal import schema, sums
from edge.journal.database import connect_for_writing
from edge.stats.counts import By, Selection, count_items

BEGINS = 1_735_689_600.0  # 2025-01-01
DAY_S, DAYS = 86_400, 365
BINS = ("cardboard", "glass", "metal", "paper", "plastic")
QUERIES = (
    (By.BIN, By.REASON, By.LABEL),
    (By.DAY,),
    (By.DAY, By.BIN),
    (By.HOUR,),
    (By.HOUR, By.BIN, By.REASON),
    (By.MODEL,),
)


def generate(items: int) -> Iterator[tuple[float, str, str, str, str]]:
    """Yield when each item came, its label, bin, reason and model."""
    draw = random.Random(7)
    a_day = items / DAYS
    for number in range(items):
        day, place = divmod(number, a_day)
        label, chance = draw.choice(BINS), draw.random()
        reason = "sorted" if chance < 0.8 else draw.choice(("unsure", "touching", "late", "too-close"))
        when = BEGINS + int(day) * DAY_S + 6 * 3600 + place / a_day * 12 * 3600
        yield when, label, label if reason == "sorted" else "residual", reason, f"model-{int(day) // 60}"


def write(path: Path, items: int) -> tuple[float, float]:
    """Write the year as the journal does; return the seconds that it took, and those that it takes without sums."""
    took = []
    for counted in (False, True):
        path.unlink(missing_ok=True)
        with closing(connect_for_writing(path)) as connection:
            if not counted:
                connection.execute("DROP TRIGGER item_came")
                connection.execute("DROP TRIGGER item_changed")
            began = time.process_time()
            _write(connection, items)
            took.append(time.process_time() - began)
    return took[1], took[0]


def _write(connection: sqlite3.Connection, items: int) -> None:
    connection.execute(schema.INSERT_RUN, ("run", "boot", "0", 0, BEGINS))
    connection.execute("BEGIN")
    for row, (when, label, where, reason, model) in enumerate(generate(items), 1):
        at = int((when - BEGINS) * 1e9)
        connection.execute(schema.INSERT_BUNDLE, (model,))
        actuator = f"flap-{where}" if reason == "sorted" else None
        values = (
            1,
            row,
            None,
            None,
            None,
            row,
            when,
            at,
            at,
            15_000_000,
            0,
            label,
            0.9,
            0.8,
            where,
            reason,
            model,
            actuator,
        )
        watched = "(expected)" if actuator and row % 3 == 0 else None
        connection.execute(schema.UPSERT_OUTCOME, (*values, "", at, at, watched, 0.9, 0.85, 0.8, 0.1, label))
        if actuator:
            connection.execute(schema.UPSERT_STROKE, (1, row, row, when, actuator, "", at, at, at, at, "fired"))
        if watched:
            connection.execute(schema.UPSERT_LANDING, (1, row, row, when, at, where))
        if row % 500 == 0:
            connection.execute("COMMIT")
            connection.execute("BEGIN")
    connection.execute("COMMIT")


def main() -> None:
    """Print what the year takes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--items", type=int, default=500_000)
    parser.add_argument("--folder", type=Path, default=None, help="where the journal is written and removed again")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder, prefix="year-") as folder:
        path = Path(folder) / "journal.db"
        counted, plain = write(path, arguments.items)
        print(f"{arguments.items} items: {1e6 * counted / arguments.items:.0f} us an item to write, ", end="")
        print(f"{1e6 * plain / arguments.items:.0f} us without sums")
        with closing(sqlite3.connect(path)) as file:
            size, sizes = path.stat().st_size, dict(file.execute("SELECT name, sum(pgsize) FROM dbstat GROUP BY name"))
            rows = file.execute("SELECT count(*) FROM hourly").fetchone()[0]
        print(f"{size / 1e6:.1f} MB, {size / arguments.items:.0f} bytes an item; ", end="")
        print(f"{rows} sums, {sizes['hourly'] / rows:.1f} bytes each, {sizes['hourly'] / 1e6:.1f} MB")
        for by in QUERIES:
            spans = []
            for _ in range(5):
                began = time.process_time()
                found = count_items({"line": path}, by, Selection())
                spans.append(time.process_time() - began)
            assert found.total() == arguments.items
            print(f"by {', '.join(by)}: {len(found)} counts in {1e3 * max(spans):.0f} ms")
        with closing(sqlite3.connect(path)) as file:
            for name in ("item_came", "item_changed"):
                file.execute(f"DROP TRIGGER {name}")
            file.execute("DROP TABLE hourly")
            file.execute("DROP TABLE categories")
            file.commit()
            began = time.process_time()
            for statement in sums.MIGRATION:
                file.execute(statement)
            file.commit()
            print(f"a journal of before is taken over in {time.process_time() - began:.1f} s")


if __name__ == "__main__":
    main()
