"""Labels that people gave to pictures: plain files beside the pictures, one a person, to which lines are only added.

`labels-NAME.csv` lies in the folder of the pictures or above it, its columns are `COLUMNS`, and a picture is named by its
path from there, with slashes. Each line stands for itself, so that what a power cut or an editor broke costs that line.
What was labelled at a station comes home as `labels-NAME@station.csv`, a name that no person's own file can have.
"""

from __future__ import annotations

import csv
import os
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Final

from edge.bundle.manifest import LABEL
from edge.bundle.photo_tree import is_hidden
from edge.errors import DatasetError
from edge.system.files import UnusableFileError, read_regular

COLUMNS: Final = ("picture", "label", "by", "at")
NONE_OF_THESE: Final = "none-of-these"
"""The mark of a picture of something that no label means."""
TWO_THINGS: Final = "two-things"
"""The mark of a picture on which more than one thing is, so that no label is right."""
MARKS: Final = (NONE_OF_THESE, TWO_THINGS)
"""What may stand in the place of a label, and is never taught as one."""
NAME: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}"
MOST_BYTES: Final = 64 << 20
"""Of one file of labels: more than half a million lines."""
MOST_DAMAGED: Final = 1000
"""Of one file: lines that are listed one by one."""
AT_STATION: Final = "@station"
_FILE = re.compile(rf"labels-({NAME})({AT_STATION})?\.csv")
_NO_NAME = frozenset({"Cc", "Zl", "Zp", "Cs"})  # what would end a line, or can't be written


class LabelsError(DatasetError):
    """Labels can't be written, or something in them can't be a label."""


@dataclass(frozen=True)
class LabelEntry:
    """One line: what a person says is on a picture; an empty label takes back what the same person said before."""

    picture: str
    label: str
    by: str
    at: datetime


@dataclass(frozen=True)
class DamagedLine:
    """A line that was passed over, or with line 0 a whole file."""

    path: Path
    line: int
    reason: str

    def __str__(self) -> str:
        where = f"{self.path}:{self.line}" if self.line else f"{self.path}"
        return f"{where}: {self.reason}"


@dataclass(frozen=True)
class Labels:
    """What all people together say of the pictures of a folder.

    Attributes:
        by_picture: by picture (its path from the folder, with slashes) what each person says, the latest first, which holds.
        damaged: the lines that were passed over.
    """

    by_picture: Mapping[str, Sequence[LabelEntry]]
    damaged: Sequence[DamagedLine]

    @cached_property
    def entries(self) -> Mapping[str, LabelEntry]:
        """By picture the entry that holds: the latest of all people."""
        return {picture: entries[0] for picture, entries in self.by_picture.items()}

    @cached_property
    def disagreements(self) -> Sequence[Sequence[LabelEntry]]:
        """Of each picture that people label differently what each says, the entry that holds first."""
        return [entries for entries in self.by_picture.values() if is_disputed(entries)]


def is_disputed(entries: Sequence[LabelEntry]) -> bool:
    """Whether people say different things of one picture."""
    return len({entry.label for entry in entries}) > 1


def check_label(label: str) -> str:
    """Return the label, or mark, if it can be one.

    Raises:
        LabelsError: it can't.
    """
    if not re.fullmatch(LABEL, label):
        raise LabelsError(f"label {label!r}: expected small letters, digits, - and _, a letter first, 32 at most")
    return label


def check_name(name: str) -> str:
    """Return the name of a person if it can be part of a file's name.

    Raises:
        LabelsError: it can't.
    """
    if not re.fullmatch(NAME, name):
        raise LabelsError(
            f"name {name!r}: expected letters (a to z), digits, . - and _, 32 at most: give one with --by"
        )
    return name


def can_be_labelled(picture: str) -> bool:
    """Whether a picture's path can stand in a line: relative, inside its folder, of letters that a line can hold."""
    path = PurePosixPath(picture)
    plain = picture.isascii() and picture.isprintable()  # most are, and files are long
    plain = plain or not any(unicodedata.category(letter) in _NO_NAME for letter in picture)
    return (
        bool(path.name) and plain and path.as_posix() == picture and not path.is_absolute() and ".." not in path.parts
    )


def labels_path(folder: Path, by: str) -> Path:
    """Where a person's labels of a folder are."""
    return folder / f"labels-{check_name(by)}.csv"


def is_own_labels_file(name: str) -> bool:
    """Whether a file of this name holds the labels that a person gives here; what came home from a station is none."""
    found = _FILE.fullmatch(name)
    return found is not None and found[2] is None


def find_labels(folder: Path) -> list[Path]:
    """All files of labels in a folder and below, in order of their names; links to folders are not followed."""
    found: list[Path] = []
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not is_hidden(name)]
        found += [Path(parent, name) for name in files if _FILE.fullmatch(name)]
    return sorted(found)


def read_labels(folder: Path, paths: Iterable[Path] | None = None) -> Labels:
    """Read what all people say of the pictures in a folder and below.

    Of one person the last line of a file holds, and among their files the latest; among people the latest too.
    `paths` are the files if they are known already (`find_labels`). What is damaged is passed over and listed.
    """
    last: dict[tuple[str, str], LabelEntry] = {}
    damaged: list[DamagedLine] = []
    for path in find_labels(folder) if paths is None else paths:
        entries, broken = read_labels_file(path)
        damaged += broken
        below = path.parent.relative_to(folder).as_posix()
        of_file = {(entry.picture, entry.by): entry for entry in entries}
        for entry in of_file.values():
            picture = entry.picture if below == "." else f"{below}/{entry.picture}"
            before = last.get((picture, entry.by))
            if before is None or before.at <= entry.at:
                last[picture, entry.by] = replace(entry, picture=picture)
    said: dict[str, list[LabelEntry]] = {}
    for entry in sorted(last.values(), key=lambda entry: (entry.at, entry.by), reverse=True):
        if entry.label:
            said.setdefault(entry.picture, []).append(entry)
    return Labels(dict(sorted(said.items())), damaged)


def read_labels_file(path: Path) -> tuple[list[LabelEntry], list[DamagedLine]]:
    """The entries of one file, in their order, and what was passed over."""
    try:
        content = read_regular(path, MOST_BYTES, follow=False)
    except UnusableFileError as error:
        return [], [DamagedLine(path, 0, f"{error.strerror}: remove it, or put the file of labels back")]
    except OSError as error:
        return [], [DamagedLine(path, 0, f"can't read it ({error.strerror}): correct its rights")]
    return parse_labels(content, path)


def parse_labels(content: bytes, path: Path) -> tuple[list[LabelEntry], list[DamagedLine]]:
    """The entries of a file's content, in their order, and what was passed over; `path` is what damage is told by."""
    entries: list[LabelEntry] = []
    damaged: list[DamagedLine] = []
    unlisted = 0
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        try:
            entry = _parse(line)
        except ValueError as error:
            if len(damaged) < MOST_DAMAGED:
                damaged.append(DamagedLine(path, number, str(error)))
            else:
                unlisted += 1
            continue
        entries += [] if entry is None else [entry]
    if unlisted:
        damaged.append(DamagedLine(path, 0, f"{unlisted} more lines that can't be used"))
    return entries, damaged


def _parse(line: bytes) -> LabelEntry | None:
    """The entry of one line; None for an empty one and for the heading.

    Raises:
        ValueError: saying what is wrong with it.
    """
    try:
        cells = next(csv.reader([line.decode().removesuffix("\r")], strict=True), [])
    except (UnicodeDecodeError, csv.Error):
        raise ValueError("damaged: not a line of CSV in UTF-8") from None
    if not any(cells) or tuple(cells) == COLUMNS:
        return None
    if len(cells) != len(COLUMNS):
        raise ValueError(f"expected {','.join(COLUMNS)}, got {len(cells)} of these {len(COLUMNS)}")
    picture, label, by, at = cells
    picture = PurePosixPath(picture).as_posix()
    if not can_be_labelled(picture):
        raise ValueError(f"picture {picture!r:.120}: expected the path of a picture from the folder of this file")
    if label and not re.fullmatch(LABEL, label):
        raise ValueError(f"label {label!r:.120}: expected small letters, digits, - and _, a letter first, 32 at most")
    if not re.fullmatch(NAME, by):
        raise ValueError(f"by {by!r:.120}: expected a name of letters (a to z), digits, . - and _, 32 at most")
    return LabelEntry(picture, label, by, _instant(at))


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
        return instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"at {text!r:.120}: expected an instant such as 2026-01-31T14:05:00Z") from None
