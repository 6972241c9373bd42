"""CSV: a picture and its label a line, or with a box; the names of columns that other tools use are known."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from edge.errors import DatasetError
from training.dataset.exchange.entries import Entry, ExportedPhoto, Found, Region, Terms
from training.dataset.exchange.files import Files
from training.dataset.exchange.formats.base import IMAGES, write_images
from training.dataset.exchange.formats.coco import picture_item

PICTURE = ("path", "filename", "file_name", "file", "image", "image_path", "picture")
LABEL = ("label", "class", "category", "class_name", "label_name")
CORNERS = ("xmin", "ymin", "xmax", "ymax")
CORNER_AND_SIDES = ("x", "y", "width", "height")
_SIZE = ("width", "height")  # beside corners: of the whole picture, as TensorFlow and Roboflow write it


class CsvLists:
    """One file or one a folder; a .txt of LABEL/NAME lines too, if it is given itself."""

    name = "csv"

    def recognises(self, files: Files) -> bool:
        if files.only is not None and files.only.suffix.lower() == ".txt":
            lines = files.text(files.only).split("\n", 1)[0].split()
            return not (len(lines) >= 5 and lines[0].isdecimal())
        return any(_columns(_reader(files, path)) is not None for path in _lists(files))

    def read(self, files: Files) -> Found:
        found = Found()
        if files.only is not None and files.only.suffix.lower() == ".txt":
            _read_text(files, files.only, found)
        lists = [(path, _reader(files, path)) for path in _lists(files)]
        known = [(path, reader, columns) for path, reader in lists if (columns := _columns(reader)) is not None]
        if lists and not known:
            path, reader = lists[0]
            raise DatasetError(
                f"{files.name(path)}: expected columns path (or {', '.join(PICTURE[1:])}) and label (or "
                f"{', '.join(LABEL[1:])}), got {', '.join(reader.fieldnames or ()) or 'none'}"
            )
        for path, reader, columns in known:
            self._read_rows(files, path, reader, columns, found)
        return found

    def _read_rows(
        self, files: Files, path: Path, reader: csv.DictReader[str], columns: tuple[str, str], found: Found
    ) -> None:
        sides = CORNERS if set(CORNERS) <= set(reader.fieldnames or ()) else CORNER_AND_SIDES
        has_boxes = set(sides) <= set(reader.fieldnames or ())
        try:
            rows = [(row, f"{files.name(path)} line {reader.line_num}") for row in reader]
        except csv.Error as error:
            raise DatasetError(f"{files.name(path)}: line {reader.line_num}: {error}: correct it") from None
        relative = has_boxes and _is_relative([row for row, _ in rows], sides)
        for row, where in rows:
            reference, name = ((row[column] or "").strip() for column in columns)
            if not reference or not name:
                found.passed_over.add("lines without a picture or a label", where)
                continue
            try:
                region = _region(row, sides, relative) if has_boxes and any(row[side] for side in sides) else None
            except ValueError:
                found.passed_over.add("lines that can't be used", f"{where}: expected numbers in {', '.join(sides)}")
                continue
            picture = files.picture(reference, path, found, where)
            if picture is not None:
                item = row.get("item") or ("" if region is None else picture_item(picture.name))
                found.entries.append(Entry(picture, name, where, region, item))

    def write(self, photos: Sequence[ExportedPhoto], folder: Path, terms: Terms) -> None:
        write_images(photos, folder / IMAGES)
        with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("path", "label", *CORNERS, "item"))
            for photo in photos:
                writer.writerow((f"{IMAGES}/{photo.name}", photo.label, *(photo.box or ("",) * 4), photo.item))


def _lists(files: Files) -> list[Path]:
    return [path for path in files.of_kind(".csv") if not path.name.startswith("labels-")]


def _reader(files: Files, path: Path) -> csv.DictReader[str]:
    """Of commas, of semicolons where the comma is the decimal one, or of tabs; column names in small letters."""
    text = files.text(path)
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, restval="")
    try:
        reader.fieldnames = [(name or "").strip().lower() for name in reader.fieldnames or ()]
    except csv.Error:
        reader.fieldnames = []
    return reader


def _columns(reader: csv.DictReader[str]) -> tuple[str, str] | None:
    """The columns of the picture and of the label."""
    names = reader.fieldnames or ()
    picture = next((name for name in PICTURE if name in names), None)
    label = next((name for name in LABEL if name in names), None)
    return None if picture is None or label is None else (picture, label)


def _number(text: str) -> float:
    return float(text.replace(",", ".") if text.count(",") == 1 and "." not in text else text)


def _is_relative(rows: Sequence[Mapping[str, str]], sides: Sequence[str]) -> bool:
    """Whether boxes are fractions: none of their numbers is more than 1, and not all are whole."""
    values = []
    for text in (row[side] or "" for row in rows for side in sides):
        try:
            values.append(_number(text))
        except ValueError:
            continue
    return bool(values) and max(values) <= 1 and any(value != round(value) for value in values)


def _region(row: Mapping[str, str], sides: Sequence[str], relative: bool) -> Region:
    left, top, right, bottom = (_number(row[side] or "") for side in sides)
    if sides is CORNER_AND_SIDES:
        return Region(left, top, left + right, top + bottom, relative)
    given = [(row.get(side) or "").strip() for side in _SIZE]
    width, height = (int(text) if text.isdecimal() else 0 for text in given)
    return Region(left, top, right, bottom, relative, (width, height) if width and height and not relative else None)


def _read_text(files: Files, path: Path, found: Found) -> None:
    for number, line in enumerate(map(str.strip, files.text(path).splitlines()), 1):
        where = f"{files.name(path)} line {number}"
        if not line or line.startswith("#"):
            continue
        if "/" not in line:
            found.passed_over.add("lines that can't be used", f"{where}: expected LABEL/NAME, got {line[:60]!r}")
        elif (picture := files.picture(line, path, found, where)) is not None:
            found.entries.append(Entry(picture, PurePosixPath(line).parent.name, where))
