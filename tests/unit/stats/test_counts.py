"""`sorter stats`: what is counted is what the rows say, by whatever is asked for, of one station or many."""

from __future__ import annotations

import csv
import io
import json
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.journal import LABELS, build_journal, outcome, stroke
from support.paths import STATIONS
from typer.testing import CliRunner

from edge.cli import root
from edge.clock import NS_PER_S, VirtualClock
from edge.errors import ConfigError, JournalError
from edge.journal import DeliveryEntry, Journal, schema
from edge.journal.reading import ItemRecord, Query, read_all
from edge.stats.counts import By, Selection, count_items
from edge.types import Reason, Stroke, StrokeOutcome

HOUR_NS = 3600 * NS_PER_S
ALL = Selection()


@pytest.fixture(autouse=True)
def _in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def fill(journal: Journal, clock: VirtualClock, items: int, seed: int = 0) -> None:
    """Record items over days: sorted and not, strokes that fail or never end, landings that are seen or not."""
    draw = random.Random(seed)
    for item_id in range(1, items + 1):
        clock.advance_to(clock.now() + draw.randrange(HOUR_NS // 2))
        entry = outcome(item_id, clock.now(), draw.choice([Reason.SORTED, Reason.SORTED, Reason.UNSURE, Reason.LATE]))
        if item_id % 50 == 1:
            journal.use_bundle(f"digest-{item_id // 50}")
        journal.record(entry)
        if entry.actuation is not None:
            end = draw.choice([stroke(entry), Stroke(entry.actuation, None, None, StrokeOutcome.REFUSED), None])
            if end is not None:
                journal.record(end)
            if draw.random() < 0.3:
                seen = clock.now() if draw.random() < 0.5 else None
                journal.record(DeliveryEntry(item_id, entry.decision.bin, seen))
        if item_id % 7 == 0:
            journal.store_pending()


@pytest.fixture
def folder(memory_folder: Path) -> Path:
    """A station's folder: 300 items over three days."""
    clock = VirtualClock()
    journal = build_journal(memory_folder, clock)
    fill(journal, clock, 300)
    journal.close()
    return memory_folder


def rows_of(folder: Path) -> list[ItemRecord]:
    return list(read_all(folder / "journal.db", ItemRecord, Query()))


PARTS: dict[By, Callable[[ItemRecord], str | None]] = {
    By.STATION: lambda row: "line-1",
    By.DAY: lambda row: row.time[:10],
    By.HOUR: lambda row: f"{row.time[:13]}:00+00:00",
    By.BIN: lambda row: row.bin,
    By.LABEL: lambda row: row.label,
    By.REASON: lambda row: row.reason,
    By.MODEL: lambda row: row.bundle,
}


@pytest.mark.parametrize(
    "by",
    [[one] for one in By] + [[By.DAY, By.BIN], [By.BIN, By.HOUR, By.REASON], [By.MODEL, By.LABEL, By.STATION]],
    ids=",".join,
)
def test_the_counts_are_what_the_rows_say(folder: Path, by: list[By]) -> None:
    counted = count_items({"line-1": folder / "journal.db"}, by, ALL)
    assert counted == Counter(tuple(PARTS[one](row) or "" for one in by) for row in rows_of(folder))


@pytest.mark.parametrize(
    "chosen", [{"bin": "glass"}, {"label": "paper"}, {"reason": "not-diverted"}, {"bin": "metal", "reason": "sorted"}]
)
def test_only_what_is_asked_for_is_counted(folder: Path, chosen: dict[str, str]) -> None:
    meant = [row for row in rows_of(folder) if all(getattr(row, name) == want for name, want in chosen.items())]
    counted = count_items({"line-1": folder / "journal.db"}, [By.LABEL], Selection(**chosen))  # type: ignore[arg-type]
    assert meant
    assert counted == Counter((row.label or "",) for row in meant)


def test_a_span_means_the_whole_hours_that_it_touches(folder: Path) -> None:
    since, until = (datetime(2026, 1, day, 10, 20, tzinfo=UTC).timestamp() for day in (1, 2))
    counted = count_items({"line-1": folder / "journal.db"}, [By.HOUR], Selection(since, until))
    meant = [row for row in rows_of(folder) if "2026-01-01T10:00" <= row.time < "2026-01-02T11:00"]
    assert counted.total() == len(meant) > 0
    assert min(counted) >= ("2026-01-01T10:00+00:00",)
    assert max(counted) <= ("2026-01-02T10:00+00:00",)


def test_it_counts_while_the_station_writes(memory_folder: Path) -> None:
    clock = VirtualClock()
    journal = build_journal(memory_folder, clock)
    for number in (40, 80):
        fill(journal, clock, number, seed=number)
        journal.store_pending()
        assert count_items({"": memory_folder / "journal.db"}, [], ALL).total() == number
    journal.close()


def test_a_journal_of_a_version_without_sums_is_counted_as_well(folder: Path, tmp_path: Path) -> None:
    older = tmp_path / "journal.db"
    with sqlite3.connect(older) as file:
        for statements in schema.MIGRATIONS[:2]:
            for statement in statements:
                file.execute(statement)
        file.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        file.execute("PRAGMA user_version = 2")
        file.execute("ATTACH ? AS newer", (str(folder / "journal.db"),))
        for table in ("runs", "bundles", "items"):
            names = ", ".join(row[1] for row in file.execute(f"PRAGMA main.table_info({table})"))
            file.execute(f"INSERT INTO main.{table} ({names}) SELECT {names} FROM newer.{table}")
    before = older.read_bytes()
    for by in ([By.HOUR, By.BIN], [By.REASON], [By.MODEL]):
        assert count_items({"": older}, by, ALL) == count_items({"": folder / "journal.db"}, by, ALL)
    assert older.read_bytes() == before


def test_days_begin_by_the_local_time_zone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Ho_Chi_Minh")
    time.tzset()
    counted = count_items({"": folder / "journal.db"}, [By.DAY], ALL)
    assert counted == Counter(
        (datetime.fromisoformat(row.time).astimezone().date().isoformat(),) for row in rows_of(folder)
    )


def test_a_damaged_date_is_no_crash(folder: Path) -> None:
    with sqlite3.connect(folder / "journal.db") as file:
        file.execute("UPDATE items SET wall_time = 1e300 WHERE item = 1")
        file.execute("UPDATE items SET wall_time = 'soon' WHERE item = 2")
    counted = count_items({"": folder / "journal.db"}, [By.DAY], ALL)
    assert (counted["?",], counted["1970-01-01",], counted.total()) == (1, 1, 300)


def test_a_damaged_row_that_holds_bytes_for_a_label_is_counted(folder: Path) -> None:
    with sqlite3.connect(folder / "journal.db") as file:
        file.execute("UPDATE items SET label = x'ff1b5b', bin = x'41' WHERE row = 1")
    counted = count_items({"": folder / "journal.db"}, [By.BIN, By.LABEL], ALL)
    assert (counted["A", "\ufffd\x1b["], counted.total()) == (1, 300)
    assert "\x1b" not in run("--state-folder", folder)


# -- the command --------------------------------------------------------------------------------------------------


def run(*arguments: object, error: type[Exception] | None = None) -> str:
    """Run `sorter stats`; return what it prints, or the message of the error it raises."""
    result = CliRunner().invoke(root, ["stats", *map(str, arguments)], env={"COLUMNS": "160"})
    if error is not None:
        assert isinstance(result.exception, error), result.output
        return str(result.exception)
    assert result.exit_code == 0, result.output
    return result.output


def test_without_options_it_tells_bins_reasons_and_labels(folder: Path) -> None:
    rows = rows_of(folder)
    table = run("--state-folder", folder)
    assert f"{len(rows)} items" in table
    most = Counter((row.bin, row.reason, row.label) for row in rows).most_common(1)[0]
    first = table.splitlines()[4].replace("│", " ").split()
    assert first == [*most[0], str(most[1]), f"{most[1] / len(rows):.1%}"]


def test_several_stations_stand_side_by_side(folder: Path, tmp_path: Path) -> None:
    for name, items in (("sorter@line-1", 20), ("sorter@line-2", 30)):
        (tmp_path / name).mkdir()
        journal = build_journal(tmp_path / name, clock := VirtualClock())
        fill(journal, clock, items)
        journal.close()
    files = [f"--file={tmp_path}/{name}/journal.db" for name in ("sorter@line-1", "sorter@line-2")]
    answer = json.loads(run(*files, "--by", "station", "--json"))
    assert answer == {
        "items": 50,
        "counts": [{"station": "sorter@line-1", "items": 20}, {"station": "sorter@line-2", "items": 30}],
    }
    assert "sorter@line-2" in run(*files)


def test_csv_goes_to_a_file_or_to_standard_output(folder: Path, tmp_path: Path) -> None:
    arguments = ["--state-folder", folder, "--by", "day", "--by", "label", "--csv"]
    printed = run(*arguments, "-")
    rows = list(csv.DictReader(io.StringIO(printed)))
    assert sum(int(row["items"]) for row in rows) == 300
    assert {row["label"] for row in rows} == set(LABELS)
    assert [row["day"] for row in rows] == sorted(row["day"] for row in rows)
    run(*arguments, tmp_path / "days.csv")
    assert (tmp_path / "days.csv").read_text() == printed
    assert "can't be written" in run(*arguments, tmp_path / "none" / "days.csv", error=JournalError)


def test_the_hours_that_are_meant_are_named(folder: Path) -> None:
    assert "items from 2026-01-01 10:00 until 2026-01-02 11:00" in run(
        "--state-folder", folder, "--since", "2026-01-01T10:20", "--until", "2026-01-02T10:20"
    )
    assert run("--state-folder", folder, "--bin", "gold") == "nothing matches\n"


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    assert "no journal here" in run("--state-folder", tmp_path, error=JournalError)
    assert "expected a date" in run("--state-folder", tmp_path, "--since", "yesterday", error=ConfigError)
    assert "--station" in run("--station", tmp_path / "none.toml", error=ConfigError)
    assert "no journal" in run("--station", STATIONS / "demo.toml", "--state-folder", tmp_path, error=JournalError)
