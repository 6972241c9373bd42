"""Writes a journal's rows to a file that other programs read: CSV, JSON lines or Parquet."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, get_args, get_type_hints

from edge.errors import JournalError, SetupError
from edge.journal.reading import Record

PARQUET_ROWS = 50_000  # one row group


def export_rows(rows: Iterator[Record], record: type[Record], path: Path) -> int:
    """Write the rows in the format that the file's ending names; return how many there were.

    The file appears when it is complete.

    Raises:
        JournalError: the ending is unknown, or the file can't be written.
        SetupError: Parquet needs pyarrow, which is not installed.
    """
    write = WRITERS.get(path.suffix.lower())
    if write is None:
        raise JournalError(
            f"{path}: expected a name that ends in {', '.join(WRITERS)}. Received: {path.suffix or 'none'}"
        )
    partial = path.with_name(f".{path.name}.part")
    try:
        try:
            count = write(rows, record, partial)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise JournalError(f"{path}: can't be written: {error.strerror or error}") from None
    return count


def _write_csv(rows: Iterator[Record], record: type[Record], path: Path) -> int:
    count = 0
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(record._fields)
        for row in rows:
            writer.writerow(row)
            count += 1
    return count


def _write_json_lines(rows: Iterator[Record], record: type[Record], path: Path) -> int:
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row._asdict(), ensure_ascii=False) + "\n")
            count += 1
    return count


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


WRITERS: dict[str, Callable[[Iterator[Any], type[Any], Path], int]] = {
    ".csv": _write_csv,
    ".jsonl": _write_json_lines,
    ".parquet": _write_parquet,
}
