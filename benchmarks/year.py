"""What a year in the journal takes: how large it is, what its sums cost the writer, and how long the pages take to answer.

    python benchmarks/year.py [--items N] [--folder FOLDER]

A generated year of items that come by day, five bins and a rare label, a model every two months; every item with its stroke,
its looks and its thresholds, every third with an exit sensor. Each question is asked of the real server over HTTP ten times, and
the slowest answer counts: once in time on the clock, which whatever else runs makes longer, once in processor time of the
server and the one who asks.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from edge.clock import SystemClock
from edge.config import load_station
from edge.journal import schema
from edge.journal.database import PAGE_BYTES, connect_for_writing
from edge.stats.counts import By, Selection, count_items
from edge.status.live import LiveView
from edge.web.serving.server import PageServer
from edge.web.station.app import build_app

BEGINS = 1_735_689_600.0  # 2025-01-01
DAY_S, DAYS = 86_400, 365
ENDS = BEGINS + DAYS * DAY_S
BINS = ("cardboard", "glass", "metal", "paper", "plastic")
RARE, RARE_EVERY = "battery", 50_000
BEFORE_SUMS = 3  # the version of a journal without them
WRITTEN_ONE_BY_ONE = 20_000
ASKED = 10
STATION = Path(__file__).parents[1] / "edge" / "stations" / "demo.toml"
Row = dict[str, Any]


def day(back: int) -> str:
    """Return the date so many days before the end of the year."""
    return datetime.fromtimestamp(ENDS - back * DAY_S, UTC).date().isoformat()


WEEK, YEAR = f"from={day(7)}&to={day(0)}&step=hour", f"from={day(364)}&to={day(0)}&step=week"
QUESTIONS = {
    "a week by hour, bin, reason and the label's bin": f"/api/counts?{WEEK}&by=bin,reason,home",
    "a year by week, bin, reason and the label's bin": f"/api/counts?{YEAR}&by=bin,reason,home",
    "a year by day and all that there is": f"/api/counts?from={day(365)}&to={day(0)}&step=day&by=bin,label,reason,model",
    "durations of a week by hour": f"/api/timing?{WEEK}",
    "durations of a year by week": f"/api/timing?{YEAR}",
    "what can be searched for": "/api/choices",
    "the newest items": "/api/search",
    "items of half a year ago": f"/api/search?from={day(190)}&to={day(180)}",
    "a rare label": f"/api/search?label={RARE}",
    "a reason": "/api/search?reason=touching&limit=50",
    "a reason, a bin and a month": f"/api/search?reason=not-seen&bin=glass&from={day(200)}&to={day(170)}",
    "a score that no item has": "/api/search?least=0.3&most=0.31",
    "a score of a rare reason": "/api/search?reason=late&least=0.3&most=0.31",
    "what is under way, of which there is none": "/api/search?reason=under-way",
    "the bins": "/api/bins",
    "the health": "/api/health",
}


class EndOfTheYear(SystemClock):
    """A clock for which the generated year has just ended."""

    def wall_time(self) -> float:
        """Return the end of the year."""
        return ENDS


def generate(items: int) -> Iterator[Row]:
    """Yield the columns of each item."""
    draw = random.Random(7)
    a_day = items / DAYS
    for number in range(items):
        today, place = divmod(number, a_day)
        label, chance = RARE if number % RARE_EVERY == 777 else draw.choice(BINS), draw.random()
        reason = "sorted" if chance < 0.8 else draw.choice(("unsure", "touching", "late", "too-close"))
        when = BEGINS + int(today) * DAY_S + 6 * 3600 + place / a_day * 12 * 3600
        at = int((when - BEGINS) * 1e9)
        score = 0.97 if reason == "sorted" else draw.uniform(0.35, 0.84)
        row = {
            "row": number + 1, "run": 1, "item": number + 1, "wall_time": when, "crossed_at": at, "decided_at": at + 20_000_000,
            "frame_age_ns": 15_000_000, "lane": 0, "label": label, "score": score, "margin": score - 0.1,
            "bin": "residual", "reason": reason, "bundle": int(today) // 60 + 1, "bin_score": score, "min_score": 0.85,
            "bin_margin": score - 0.1, "min_margin": 0.1, "seen_as": f"{label} {label} {label}", "actuator": None,
            "position": None, "fire_at": None, "release_at": None, "fired_at": None, "released_at": None, "outcome": None,
            "landed_at": None, "landed_in": None,
        }  # fmt: skip
        if reason == "sorted":
            due = at + 900_000_000
            row |= {
                "bin": label, "actuator": f"flap-{label}", "position": "", "fire_at": due, "release_at": due + 10**8,
                "fired_at": due + 40_000, "released_at": due + 10**8, "outcome": "fired",
            }  # fmt: skip
            if number % 3 == 0:
                seen = draw.random() < 0.99
                row |= {"landed_at": due + 5 * 10**8 if seen else None, "landed_in": label if seen else "(not seen)"}
        yield row


def write_year(path: Path, items: int) -> float:
    """Write the year as a version without sums left it and take it over; return the seconds that taking it over took."""
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        file.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        for statement in (statement for migration in schema.MIGRATIONS[:BEFORE_SUMS] for statement in migration):
            file.execute(statement)
        file.execute(schema.INSERT_RUN, ("run", "boot", "0", 0, BEGINS))
        file.executemany(schema.INSERT_BUNDLE, [(f"model-{number}",) for number in range(DAYS // 60 + 1)])
        file.execute("BEGIN")
        newer = ("bin_score", "min_score", "bin_margin", "min_margin", "seen_as")
        names = [name for name in next(generate(1)) if name not in newer]
        insert = f"INSERT INTO items ({', '.join(names)}) VALUES ({', '.join(f':{name}' for name in names)})"
        file.executemany(insert, generate(items))
        file.execute("COMMIT")
        began = time.process_time()
        schema.migrate(file, BEFORE_SUMS)
        took = time.process_time() - began
        # As if this version had written it all along.
        file.execute("BEGIN")
        changes = ", ".join(f"{name} = :{name}" for name in newer)
        file.executemany(f"UPDATE items SET {changes} WHERE row = :row", generate(items))
        file.execute("COMMIT")
        file.execute("VACUUM")
    return took


def write_one_by_one(path: Path, items: int, *, counted: bool) -> float:
    """Write items as the journal does; return the processor time that each takes, seconds."""
    rows = list(generate(items))
    path.unlink(missing_ok=True)
    with closing(connect_for_writing(path)) as connection:
        if not counted:
            connection.execute("DROP TRIGGER item_came")
            connection.execute("DROP TRIGGER item_changed")
        connection.execute(schema.INSERT_RUN, ("run", "boot", "0", 0, BEGINS))
        began = time.process_time()
        for first in range(0, items, 500):
            connection.execute("BEGIN")
            for row in rows[first : first + 500]:
                _store(connection, row)
            connection.execute("COMMIT")
        return (time.process_time() - began) / items


def _store(connection: Any, row: Row) -> None:
    names = [name.strip() for name in schema.UPSERT_OUTCOME.split("(", 1)[1].split(")")[0].split(",")]
    decided = row | {"bundle": f"model-{row['bundle']}", "picture": None, "looks": None, "kept": None}
    decided["landed_in"] = None if row["landed_in"] is None else "(expected)"
    connection.execute(schema.UPSERT_OUTCOME, [decided[name] for name in names])
    place = (row["run"], row["row"], row["item"], row["wall_time"])
    if row["actuator"]:
        stroke = ("actuator", "position", "fire_at", "release_at", "fired_at", "released_at", "outcome")
        connection.execute(schema.UPSERT_STROKE, (*place, *(row[name] for name in stroke)))
    if row["landed_in"]:
        connection.execute(schema.UPSERT_LANDING, (*place, row["landed_at"], row["landed_in"]))


@contextmanager
def served(journal: Path) -> Iterator[httpx.Client]:
    """Serve the pages of a station with that journal, and give who asks them."""
    clock = EndOfTheYear()
    server = PageServer(build_app(LiveView(clock), load_station(STATION), journal, clock), "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        with httpx.Client(base_url=server.url, timeout=60) as client:
            yield client
    finally:
        server.stop()
        thread.join()


def measure_pages(journal: Path) -> None:
    """Print how long each question of the pages takes."""
    with served(journal) as client:
        for name, address in QUESTIONS.items():
            waits, works = [], []
            for _ in range(ASKED):
                began, began_work = time.perf_counter(), time.process_time()
                answer = client.get(address)
                waits.append(1e3 * (time.perf_counter() - began))
                works.append(1e3 * (time.process_time() - began_work))
                answer.raise_for_status()
            size = len(answer.content) / 1e3
            print(f"{name}: {max(waits):.0f} ms, of it {max(works):.0f} ms at work; {size:.0f} kB  ({address})")


def main() -> None:
    """Print what the year takes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--items", type=int, default=500_000)
    parser.add_argument("--folder", type=Path, default=None, help="where the journal is written and removed again")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder, prefix="year-") as folder:
        path = Path(folder) / "journal.db"
        plain, counted = (write_one_by_one(path, WRITTEN_ONE_BY_ONE, counted=counted) for counted in (False, True))
        print(f"an item is written in {1e6 * counted:.0f} us, in {1e6 * plain:.0f} us without sums")
        path.unlink()
        took = write_year(path, arguments.items)
        print(f"{arguments.items} items of a journal of before are taken over in {took:.1f} s")
        with closing(sqlite3.connect(path)) as file:
            size, sizes = path.stat().st_size, dict(file.execute("SELECT name, sum(pgsize) FROM dbstat GROUP BY name"))
            rows = file.execute("SELECT count(*) FROM hourly").fetchone()[0]
        print(f"{size / 1e6:.1f} MB, {size / arguments.items:.0f} bytes an item; ", end="")
        print(f"{rows} sums, {sizes['hourly'] / rows:.1f} bytes each, {sizes['hourly'] / 1e6:.1f} MB")
        for by in ((By.BIN, By.REASON, By.LABEL), (By.HOUR, By.BIN, By.REASON)):
            began = time.process_time()
            found = count_items({"line": path}, by, Selection())
            assert found.total() == arguments.items
            print(
                f"sorter stats by {', '.join(by)}: {len(found)} counts in {1e3 * (time.process_time() - began):.0f} ms"
            )
        measure_pages(path)


if __name__ == "__main__":
    main()
