"""`sorter journal`: what was sorted, from the durable record; works while the sorter is running."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from itertools import chain, islice
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Column, Table

from edge.cli.journals import FileOption, FolderOption, SinceOption, UntilOption, find_journal, parse_instant
from edge.cli.options import DEFAULT_STATION, StationOption
from edge.clock import SystemClock
from edge.errors import ConfigError, JournalError
from edge.journal.exporting import export_rows, stream_rows
from edge.journal.reading import EventRecord, ItemRecord, Query, check_journal, count_rows, read_all, read_last
from edge.system.output import say, text_output
from edge.system.terminal import Terminal
from edge.types import Reason, StrokeOutcome

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
    help="What was sorted: list, export and check the journal.",
    pretty_exceptions_enable=False,
)

BinOption = Annotated[str | None, typer.Option("--bin", help="Only items for this bin.")]
LabelOption = Annotated[str | None, typer.Option(help="Only items with this label.")]
ReasonOption = Annotated[Reason | None, typer.Option(help="Only items with this reason.")]
EventsOption = Annotated[
    bool, typer.Option("--events", help="Events (starts, faults, model changes) instead of items.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


class Format(StrEnum):
    """What an export can be written as."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


@app.command("list")
def list_rows(
    since: SinceOption = None,
    until: UntilOption = None,
    bin_name: BinOption = None,
    label: LabelOption = None,
    reason: ReasonOption = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="At most so many, the newest.")] = 50,
    events: EventsOption = False,
    as_json: JsonOption = False,
    station: StationOption = DEFAULT_STATION,
    state_folder: FolderOption = None,
    file: FileOption = None,
) -> None:
    """List the newest items, or events, oldest of them first."""
    path = find_journal(station, state_folder, file)
    query = build_query(since, until, bin_name, label, reason)
    record = record_type(query, events)
    rows = read_last(path, record, query, limit)
    if as_json:
        say(json.dumps([row._asdict() for row in rows], indent=2, ensure_ascii=False))
    else:
        _print_rows(rows)


@app.command("export")
def export(
    target: Annotated[
        Path, typer.Argument(help="The file to write: NAME.csv, NAME.jsonl or NAME.parquet; - for standard output.")
    ],
    since: SinceOption = None,
    until: UntilOption = None,
    bin_name: BinOption = None,
    label: LabelOption = None,
    reason: ReasonOption = None,
    events: EventsOption = False,
    file_format: Annotated[
        Format | None, typer.Option("--format", help="Instead of what the name's ending says; - is csv unless told.")
    ] = None,
    station: StationOption = DEFAULT_STATION,
    state_folder: FolderOption = None,
    file: FileOption = None,
) -> None:
    """Write items, or events, to a CSV, JSON lines or Parquet file, or to another program."""
    path = find_journal(station, state_folder, file)
    query = build_query(since, until, bin_name, label, reason)
    record = record_type(query, events)
    rows = read_all(path, record, query)
    if str(target) == "-":
        first = list(islice(rows, 1))  # a journal that can't be read leaves no heading without rows
        with text_output() as stream:
            stream_rows(chain(first, rows), record, stream, f".{file_format or Format.CSV}")
        return
    count = export_rows(rows, record, target, "" if file_format is None else f".{file_format}")
    say(f"{count} {'events' if events else 'items'} written to {target}")


@app.command("check")
def check(
    as_json: JsonOption = False,
    station: StationOption = DEFAULT_STATION,
    state_folder: FolderOption = None,
    file: FileOption = None,
) -> None:
    """Check that the file is sound; every page of it is read."""
    path = find_journal(station, state_folder, file)
    problems = check_journal(path)
    total = count_rows(path)
    if as_json:
        say(json.dumps({"file": str(path), "sound": not problems, "problems": problems, "items": total}, indent=2))
    elif not problems:
        say(f"{path}: sound, {total} items")
    if problems:
        listed = "\n".join(f"  {problem}" for problem in problems)
        raise JournalError(
            f"{path}: damaged; the sorter sets it aside and begins a new one at its next start\n{listed}"
        )


def build_query(
    since: str | None,
    until: str | None,
    bin_name: str | None = None,
    label: str | None = None,
    reason: Reason | None = None,
) -> Query:
    """Return what the options ask for.

    Raises:
        ConfigError: a date can't be read.
    """
    now = SystemClock().wall_time()
    return Query(
        since=None if since is None else parse_instant(since, now),
        until=None if until is None else parse_instant(until, now),
        bin=bin_name,
        label=label,
        reason=None if reason is None else reason.value,
    )


def record_type(query: Query, events: bool) -> type[ItemRecord] | type[EventRecord]:
    """Return which rows are meant.

    Raises:
        ConfigError: bin, label or reason were given for events, which have none.
    """
    if events and (query.bin or query.label or query.reason):
        raise ConfigError("--bin, --label and --reason select items; events have none of them")
    return EventRecord if events else ItemRecord


def _print_rows(rows: Sequence[ItemRecord | EventRecord]) -> None:
    items = [row for row in rows if isinstance(row, ItemRecord)]
    events = [row for row in rows if isinstance(row, EventRecord)]
    if not rows:
        say("nothing matches")
    elif items:
        Terminal().print(_item_table(items))
        if any(item.outcome == StrokeOutcome.REFUSED for item in items):
            say("refused: the stroke came too late, or in the way of another; its item ran on to residual")
    else:
        table = Table(Column("time", no_wrap=True), "severity", "kind", "what happened")
        for event in events:
            table.add_row(_local(event.time), event.severity, event.kind, event.text)
        Terminal().print(table)


def _item_table(items: Sequence[ItemRecord]) -> Table:
    right: dict[str, Any] = {"justify": "right", "no_wrap": True}
    table = Table(
        Column("time", no_wrap=True), Column("item", **right), "label", Column("score", **right), "bin", "reason"
    )
    table.add_column("actuator")
    landings = any(item.landed_in for item in items)
    if landings:
        table.add_column("landed in")
    pictures = any(item.kept for item in items)
    if pictures:
        table.add_column("kept")
    for item in items:
        score = "" if item.score is None or not item.label else f"{item.score:.2f}"
        # Commanded and nothing more: the power went, or the stroke is still to come.
        stroke = "" if item.actuator is None else f"{item.actuator} {item.outcome or 'commanded'}"
        cells = [_local(item.time), str(item.item), item.label, score, item.bin, item.reason, stroke]
        table.add_row(*cells, *([item.landed_in] if landings else []), *([item.kept] if pictures else []))
    return table


def _local(time: str) -> str:
    """Return an instant of the journal in the local time zone, without what a reader at the station knows."""
    return datetime.fromisoformat(time).astimezone().strftime("%m-%d %H:%M:%S") if time else "?"
