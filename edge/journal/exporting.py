"""Writes a journal's rows to a file that other programs read: CSV, JSON lines or Parquet."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TextIO, get_args, get_type_hints

from edge.errors import JournalError, SetupError
from edge.journal.reading import Record

Stream = Callable[[Iterator[Any], type[Any], TextIO], int]
PARQUET_ROWS = 50_000  # one row group


def export_rows(rows: Iterator[Record], record: type[Record], path: Path, ending: str = "") -> int:
    """Write the rows in the format of an ending, else of the file's own; return how many there were.

    The file appears when it is complete.

    Raises:
        JournalError: the ending is unknown, or the file can't be written.
        SetupError: Parquet needs pyarrow, which is not installed.
    """
    write = WRITERS.get(ending or path.suffix.lower())
    if write is None:
        raise JournalError(
            f"{path}: expected a name that ends in {', '.join(WRITERS)}. Received: {path.suffix or 'none'}"
        )
    unfinished = path.with_name(f".{path.name}.part")
    try:
        try:
            count = write(rows, record, unfinished)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise JournalError(f"{path}: can't be written: {error.strerror or error}") from None
    return count


def stream_rows(rows: Iterator[Record], record: type[Record], stream: TextIO, ending: str) -> int:
    """Write the rows as text, in the format of an ending; return how many there were. The stream adds no line ends of its own.

    Raises:
        JournalError: the format is none of text.
        OSError: the stream takes no more; what was written is written.
    """
    write = STREAMED.get(ending)
    if write is None:
        raise JournalError(f"{ending.lstrip('.')} can't be written to standard output: expected csv or jsonl")
    return write(rows, record, stream)


def _stream_csv(rows: Iterator[Record], record: type[Record], stream: TextIO) -> int:
    count = 0
    writer = csv.writer(stream)
    writer.writerow(record._fields)
    for row in rows:
        writer.writerow(row)
        count += 1
    return count


def _stream_json_lines(rows: Iterator[Record], record: type[Record], stream: TextIO) -> int:
    count = 0
    for row in rows:
        stream.write(json.dumps(row._asdict(), ensure_ascii=False) + "\n")
        count += 1
    return count


def _write_text(stream_to: Stream, rows: Iterator[Record], record: type[Record], path: Path) -> int:
    with path.open("w", newline="", encoding="utf-8") as file:
        return stream_to(rows, record, file)


def _write_parquet(rows: Iterator[Record], record: type[Record], path: Path) -> int:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise SetupError("Parquet needs pyarrow: pip install pyarrow (CSV and JSON lines need nothing)") from None
    schema = pa.schema([(name, _arrow_type(pa, hint)) for name, hint in get_type_hints(record).items()])
    count = 0
    with pq.ParquetWriter(path, schema) as writer:
        while group := [row._asdict() for row in islice(rows, PARQUET_ROWS)]:
            writer.write_table(pa.Table.from_pylist(group, schema=schema))
            count += len(group)
    return count


def _arrow_type(pa: Any, hint: Any) -> Any:
    kind = next(iter(get_args(hint)), hint)
    return {int: pa.int64(), float: pa.float64()}.get(kind, pa.string())


STREAMED: dict[str, Stream] = {".csv": _stream_csv, ".jsonl": _stream_json_lines}
WRITERS: dict[str, Callable[[Iterator[Any], type[Any], Path], int]] = {
    ".csv": partial(_write_text, _stream_csv),
    ".jsonl": partial(_write_text, _stream_json_lines),
    ".parquet": _write_parquet,
}
