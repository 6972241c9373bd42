"""Reading: what `sorter journal` shows and exports, and that reading changes nothing."""

from __future__ import annotations

import csv
import json
import sqlite3
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from support.journal import build_journal, outcome, record_many, stroke
from support.paths import STATIONS
from typer.testing import CliRunner

from edge.cli.commands.journal import app, parse_instant
from edge.clock import NS_PER_S, VirtualClock
from edge.errors import ConfigError, JournalError, SetupError
from edge.health.faults import FaultKind
from edge.journal import DeliveryEntry
from edge.journal.database import PAGE_BYTES
from edge.journal.exporting import export_rows
from edge.journal.reading import ItemRecord, Query, read_all
from edge.types import Event, EventKind, Reason, Severity


@pytest.fixture
def folder(memory_folder: Path) -> Path:
    """A state folder: 40 items in 5 s from 2026-01-01T00:00:00Z on, every tenth unsure, and two events."""
    clock = VirtualClock()
    journal = build_journal(memory_folder, clock)
    journal.record(Event(EventKind.STATE, clock.now(), "The station was started."))
    for item_id in range(1, 41):
        clock.advance_to(clock.now() + NS_PER_S // 8)
        entry = outcome(item_id, clock.now(), Reason.UNSURE if item_id % 10 == 0 else Reason.SORTED)
        journal.record(entry)
        if entry.actuation is not None:
            journal.record(stroke(entry))
    journal.record(DeliveryEntry(1, "metal", clock.now()))
    journal.record(Event(EventKind.FAULT, clock.now(), "No frame came.", Severity.FAULT, FaultKind.CAMERA_LOST))
    journal.close()
    return memory_folder


def run(*arguments: object, error: type[Exception] | None = None) -> str:
    """Run `sorter journal` with these arguments; return what it prints, or the message of the error it raises."""
    result = CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "160", "TZ": "UTC"})
    if error is not None:
        assert isinstance(result.exception, error), result.output
        return str(result.exception)
    assert result.exit_code == 0, result.output
    return result.output


def listed(folder: Path, *arguments: object) -> list[dict[str, Any]]:
    rows = json.loads(run("list", "--json", "--state-folder", folder, *arguments))
    assert isinstance(rows, list)
    return rows


def test_the_newest_items_are_listed_oldest_of_them_first(folder: Path) -> None:
    assert [row["item"] for row in listed(folder, "--limit", 3)] == [38, 39, 40]
    assert len(listed(folder)) == 40


@pytest.mark.parametrize(
    ("options", "items"),
    [
        (["--bin", "residual"], [10, 20, 30, 40]),
        (["--reason", "unsure"], [10, 20, 30, 40]),
        (["--label", "glass", "--limit", 2], [36, 40]),
        (["--since", "2026-01-01T00:00:04.5Z"], [36, 37, 38, 39, 40]),
        (["--until", "2026-01-01T00:00:00.5Z"], [1, 2, 3]),
        (["--since", "2026-01-01T00:00:01Z", "--until", "2026-01-01T00:00:02Z", "--bin", "paper"], [14]),
        (["--since", "1h"], []),
    ],
)
def test_options_select_items(folder: Path, options: list[object], items: list[int]) -> None:
    assert [row["item"] for row in listed(folder, *options)] == items


def test_the_table_tells_what_became_of_the_item(folder: Path) -> None:
    table = run("list", "--state-folder", folder)
    assert "flap-metal fired" in table
    assert "residual" in table
    assert "01-01 00:00:05" in table


def test_a_commanded_stroke_without_an_end_is_shown_as_such(tmp_path: Path) -> None:
    journal = build_journal(tmp_path)
    journal.record(outcome(1, NS_PER_S))
    journal.close()
    assert "flap-metal commanded" in run("list", "--state-folder", tmp_path)


def test_events_are_listed(folder: Path) -> None:
    assert [row["kind"] for row in listed(folder, "--events")] == ["state", "fault"]
    assert "No frame came." in run("list", "--events", "--state-folder", folder)
    assert "events have none" in run("list", "--events", "--bin", "paper", "--state-folder", folder, error=ConfigError)


def test_nothing_found_is_said(folder: Path) -> None:
    assert run("list", "--label", "gold", "--state-folder", folder) == "nothing matches\n"


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_an_export_holds_every_field_of_every_item(folder: Path, ending: str) -> None:
    target = folder / f"rows.{ending}"
    assert run("export", target, "--state-folder", folder) == f"40 items written to {target}\n"
    expected = [row._asdict() for row in read_all(folder / "journal.db", ItemRecord, Query())]
    assert _read_export(target) == expected
    assert sorted(path.name for path in folder.iterdir()) == sorted(["journal.db", target.name])


def _read_export(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
        return rows
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    kinds = ItemRecord.__annotations__
    rows = []
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            typed: dict[str, Any] = {}
            for name, text in row.items():
                kind = str(kinds[name])
                read = int if "int" in kind else float if "float" in kind else str
                # CSV does not tell an empty text from none; of the journal's texts, position and bundle may be empty.
                missing = text == "" and not (name == "bundle" or (name == "position" and row["actuator"]))
                typed[name] = None if missing else read(text)
            rows.append(typed)
    return rows


def test_an_export_takes_the_same_options(folder: Path) -> None:
    target = folder / "events.jsonl"
    assert "2 events" in run("export", target, "--events", "--state-folder", folder)
    assert "4 items" in run("export", folder / "x.csv", "--bin", "residual", "--state-folder", folder)


@pytest.mark.parametrize(("ending", "options"), [("csv", []), ("jsonl", ["--format", "jsonl"])])
def test_a_pipe_gets_the_bytes_of_the_file(folder: Path, ending: str, options: list[str]) -> None:
    target = folder / f"rows.{ending}"
    run("export", target, "--state-folder", folder)
    piped = CliRunner().invoke(app, ["export", "-", "--state-folder", str(folder), *options])
    assert piped.stdout_bytes == target.read_bytes()
    assert piped.stderr == ""


def test_a_format_goes_before_the_ending(folder: Path) -> None:
    run("export", folder / "rows.txt", "--format", "jsonl", "--state-folder", folder)
    run("export", folder / "rows.jsonl", "--state-folder", folder)
    assert (folder / "rows.txt").read_bytes() == (folder / "rows.jsonl").read_bytes()


def test_a_pipe_gets_no_parquet_and_no_heading_of_a_journal_that_is_not_there(folder: Path, tmp_path: Path) -> None:
    message = run("export", "-", "--format", "parquet", "--state-folder", folder, error=JournalError)
    assert "expected csv or jsonl" in message
    missing = CliRunner().invoke(app, ["export", "-", "--state-folder", str(tmp_path)])
    assert isinstance(missing.exception, JournalError)
    assert missing.stdout == ""


def test_an_unknown_ending_is_refused(folder: Path) -> None:
    message = run("export", folder / "rows.xls", "--state-folder", folder, error=JournalError)
    assert ".csv, .jsonl, .parquet" in message


def test_a_target_that_can_not_be_written_is_named(folder: Path) -> None:
    message = run("export", folder / "no" / "rows.csv", "--state-folder", folder, error=JournalError)
    assert "rows.csv: can't be written" in message


def test_parquet_without_pyarrow_tells_the_command(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(SetupError, match="pip install pyarrow"):
        export_rows(iter([]), ItemRecord, folder / "rows.parquet")


def test_a_sound_file_is_said_to_be_sound(folder: Path) -> None:
    assert "sound, 40 items" in run("check", "--state-folder", folder)
    assert json.loads(run("check", "--json", "--state-folder", folder))["sound"] is True


def test_a_damaged_file_fails_the_check(folder: Path) -> None:
    content = bytearray((folder / "journal.db").read_bytes())
    # The header of the last table page: how many rows it holds.
    content[-PAGE_BYTES + 3 : -PAGE_BYTES + 5] = b"\x00\xff"
    (folder / "journal.db").write_bytes(content)
    assert "damaged" in run("check", "--state-folder", folder, error=JournalError)


def test_a_running_journal_is_read_as_far_as_it_is_stored(tmp_path: Path) -> None:
    clock = VirtualClock()
    journal = build_journal(tmp_path, clock)
    record_many(journal, clock, range(1, 9))
    journal.store_pending()
    record_many(journal, clock, range(9, 13))
    assert [row["item"] for row in listed(tmp_path)] == list(range(1, 9))
    reader = read_all(tmp_path / "journal.db", ItemRecord, Query())
    assert next(reader).item == 1
    assert journal.store_pending() == 8, "a reader that takes its time keeps nobody waiting"
    journal.close()
    assert [row.item for row in reader] == list(range(2, 13))


def test_reading_changes_no_file_and_makes_none(folder: Path) -> None:
    before = _snapshot(folder)
    for arguments in (["list"], ["check"], ["list", "--events"]):
        run(*arguments, "--state-folder", folder)
    assert _snapshot(folder) == before


def _snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()}


def test_a_journal_is_found_by_the_station_file(folder: Path, tmp_path: Path) -> None:
    demo = STATIONS / "demo.toml"
    lines = [line for line in demo.read_text().splitlines() if not line.startswith("state_folder")]
    station = tmp_path / "station.toml"
    station.write_text(f'state_folder = "{folder}"\n' + "\n".join(lines))
    assert "sound, 40 items" in run("check", "--station", station)


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (lambda path: path.unlink(), "no journal here"),
        (lambda path: path.write_bytes(b"garbage" * 1000), "damaged"),
        (lambda path: path.write_bytes(b""), "not a sorter's journal"),
        (lambda path: _change(path, "PRAGMA user_version = 99"), "newer version"),
        (lambda path: _change(path, "DROP TABLE items"), "can't be read"),
    ],
)
def test_a_file_that_can_not_be_read_is_an_error_that_names_it(folder: Path, prepare: Any, words: str) -> None:
    path = folder / "journal.db"
    prepare(path)
    for command in ("list", "check"):
        message = run(command, "--state-folder", folder, error=JournalError)
        assert words in message
        assert str(path) in message


def _change(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()


def test_a_list_with_refused_strokes_says_what_that_means(folder: Path) -> None:
    assert "refused:" not in run("list", "--state-folder", folder)
    _change(folder / "journal.db", "UPDATE items SET outcome = 'refused'")
    assert "refused: the stroke came too late" in run("list", "--state-folder", folder)


def test_a_missing_station_tells_what_to_give(tmp_path: Path) -> None:
    message = run("list", "--station", tmp_path / "station.toml", error=ConfigError)
    assert "--station" in message
    assert "--state-folder" in message


def test_dates_and_spans() -> None:
    now = datetime(2026, 5, 1, 12, tzinfo=UTC).timestamp()
    assert parse_instant("90m", now) == now - 5400
    assert parse_instant("2d", now) == now - 2 * 86_400
    assert parse_instant("2026-05-01T12:00:00Z", now) == now
    assert parse_instant("2026-05-01", now) == datetime(2026, 5, 1).astimezone().timestamp()
    for text in ("yesterday", "", "5", "-3h", "2026-13-01", "0001-01-01"):
        with pytest.raises(ConfigError, match="expected a date"):
            parse_instant(text, now)


def test_dates_that_no_calendar_has_are_left_empty(folder: Path) -> None:
    _change(folder / "journal.db", "UPDATE items SET wall_time = 1e300 WHERE item = 1")
    _change(folder / "journal.db", "UPDATE items SET wall_time = 'soon' WHERE item = 2")
    rows = list(read_all(folder / "journal.db", ItemRecord, Query()))
    assert [row.time for row in rows[:2]] == ["", "1970-01-01T00:00:00.000Z"]
    assert run("list", "--state-folder", folder).count("?") == 1
