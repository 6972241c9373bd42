"""A simulated minute on the Pi's processor: every picture, item, score and stroke as on x86-64."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from support.paths import ROOT
from support.pi.emulator import Machine
from support.pi.installed import FOLDER, Install

Proven = Callable[..., None]

STATION = Path(__file__).parent / "minute.toml"
# Names that every run makes anew.
OWN = {"runs": {"run_id", "boot_id"}}


def test_the_simulator_draws_the_same_pictures(pi: Install, here: Install, proven: Proven) -> None:
    program = ["env", "PYTHONPATH=/support", f"{FOLDER}/bin/python3", "/support/support/drawn_world.py"]
    shared = {ROOT / "tests": "/support"}
    there, expected = (json.loads(Machine(one.root(), shared=shared).must(program, 1800)) for one in (pi, here))
    assert {what for what in expected if there.get(what) != expected[what]} == set()
    proven(
        "The simulator draws the same belts, bins, hands, sensors and faults on aarch64 as on x86-64, to the last grey level",
        pictures=len(expected),
    )


def test_a_simulated_minute_leaves_the_same_journal(pi: Install, here: Install, tmp_path: Path, proven: Proven) -> None:
    there, expected = (_minute(one, tmp_path / one.architecture) for one in (pi, here))
    assert there.summary == expected.summary
    for table, rows in expected.tables.items():
        assert there.tables[table] == rows, table
    assert there.pictures == expected.pictures
    items = expected.tables["items"]
    assert len(items) >= 30
    assert {row["reason"] for row in items} >= {"sorted", "unsure"}
    proven(
        "A simulated minute of belt leaves the same journal on aarch64 as on x86-64: each instant, score, stroke and picture",
        items=len(items),
        strokes=sum(row["fired_at"] is not None for row in items),
        pictures=len(expected.pictures),
    )


class Minute:
    """What one minute left: what `sorter simulate` says, the journal's rows by table, and its pictures by name."""

    def __init__(self, summary: dict[str, Any], journal: Path) -> None:
        self.summary = summary
        self.pictures = {path.name: path.read_bytes() for path in (journal / "pictures").iterdir()}
        self.tables: dict[str, list[dict[str, Any]]] = {}
        with closing(sqlite3.connect(f"file:{journal / 'journal.db'}?immutable=1", uri=True)) as database:
            database.row_factory = sqlite3.Row
            for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                rows = (dict(row) for row in database.execute(f"SELECT * FROM {table}"))
                self.tables[table] = [{k: v for k, v in row.items() if k not in OWN.get(table, ())} for row in rows]


def _minute(install: Install, folder: Path) -> Minute:
    folder.mkdir()
    machine = Machine(install.root(), shared={folder: "/minute", STATION.parent: "/station"})
    words = [
        "--station",
        f"/station/{STATION.name}",
        "--minutes",
        "1",
        "--seed",
        "1",
        "--json",
        "--journal",
        "/minute/kept",
    ]
    summary = json.loads(machine.must(["sorter", "simulate", *words], timeout_s=2400))
    return Minute(summary, folder / "kept")
