"""Multi-label CSV: a picture a line and a column of 0 and 1 for each class, as Roboflow writes `_classes.csv`."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from edge.errors import DatasetError
from training.dataset.exchange.entries import Entry, Found
from training.dataset.exchange.files import Files
from training.dataset.exchange.formats.coco import picture_item

PICTURE = ("filename", "path", "file", "image")
NO_CLASS = "unlabeled"  # Roboflow's own, of pictures in which nobody marked anything


class MultiLabel:
    """A picture of one class alone is an entry; of several it is not known where they lie, so it is passed over."""

    name = "multi-label"

    def recognises(self, files: Files) -> bool:
        return any(_is_one(files, path) for path in files.of_kind(".csv"))

    def read(self, files: Files) -> Found:
        found = Found()
        for path in files.of_kind(".csv"):
            if _is_one(files, path):
                _read_file(files, path, found)
            elif files.only is not None:
                raise DatasetError(
                    f"{files.name(path)}: expected a column {' or '.join(PICTURE)} and one of 0 and 1 for each class"
                )
        return found


def _is_one(files: Files, path: Path) -> bool:
    rows = _rows(files, path)
    _, heading = next(rows, (0, []))
    _, first = next(rows, (0, []))
    is_list = heading[:1] != [] and heading[0].lower() in PICTURE and len(heading) > 1
    return is_list and len(first) == len(heading) and set(first[1:]) <= {"0", "1"}


def _rows(files: Files, path: Path) -> Iterator[tuple[int, list[str]]]:
    """Lines and their cells, without blanks around them; empty lines are left out."""
    reader = csv.reader(io.StringIO(files.text(path), newline=""))
    try:
        for row in reader:
            if cells := [cell.strip() for cell in row]:
                yield reader.line_num, cells
    except csv.Error as error:
        raise DatasetError(f"{files.name(path)}: line {reader.line_num}: {error}: correct it") from None


def _read_file(files: Files, path: Path, found: Found) -> None:
    rows = _rows(files, path)
    _, (_, *classes) = next(rows)
    found.classes |= {name for name in classes if name.lower() != NO_CLASS}
    for number, (reference, *marks) in rows:
        where = f"{files.name(path)} line {number}"
        if len(marks) != len(classes) or not set(marks) <= {"0", "1"}:
            found.passed_over.add(
                "lines that can't be used", f"{where}: expected 0 or 1 for each of {len(classes)} classes"
            )
            continue
        names = _marked(classes, marks)
        if len(names) > 1:
            found.passed_over.add(
                "pictures of several classes, which have no box: crop them, or export boxes",
                f"{where}: {', '.join(names)}",
            )
        elif not names:
            found.passed_over.add("pictures of no class", where)
        elif (picture := files.picture(reference, path, found, where)) is not None:
            found.entries.append(Entry(picture, names[0], where, item=picture_item(picture.name)))


def _marked(classes: Sequence[str], marks: Sequence[str]) -> list[str]:
    marked = dict.fromkeys(name for name, mark in zip(classes, marks, strict=True) if mark == "1")
    return [name for name in marked if name.lower() != NO_CLASS]
