"""Lines that are added to files of labels: what a person says now, and what was said at a station and comes home."""

from __future__ import annotations

import csv
import fcntl
import io
import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from edge.labelling.labels import (
    AT_STATION,
    COLUMNS,
    DamagedLine,
    LabelEntry,
    LabelsError,
    can_be_labelled,
    check_label,
    labels_path,
    parse_labels,
    read_labels_file,
)
from edge.system.files import UnusableFileError, sync_folder

MOST_BROUGHT_BYTES: Final = 8 << 20
MOST_BROUGHT_LINES: Final = 200_000
"""Of one file that comes home, which take a second or two to read."""
_AHEAD: Final = timedelta(days=1)
"""So far a station's clock may be before ours: the latest label holds, so one from the far future would hold for ever."""


@dataclass(frozen=True)
class LabelsFile:
    """One person's labels of a folder, to which lines are added."""

    folder: Path
    by: str

    @property
    def path(self) -> Path:
        return labels_path(self.folder, self.by)

    def append(self, labels: Mapping[str, str], wall_time: float) -> None:
        """Add a line for each picture, all of them or none, and return when a power cut can't undo it any more.

        `labels` is by picture; an empty label takes the person's label back. Several processes may do so at once. Without
        any the file is there afterwards, or it is known that it can't be written.

        Raises:
            LabelsError: the disk refuses, or something that is no file is in the file's place.
        """
        at = datetime.fromtimestamp(wall_time, UTC)
        entries = [
            LabelEntry(_checked_picture(picture), label and check_label(label), self.by, at)
            for picture, label in labels.items()
        ]
        try:
            append_labels(self.path, entries)
        except OSError as error:
            raise LabelsError(f"{self.path}: can't be written ({error.strerror}): nothing of it was saved") from None


def _checked_picture(picture: str) -> str:
    if not can_be_labelled(picture):
        raise LabelsError(f"{picture!r}: a picture of this name can't be labelled: rename it")
    return picture


def _as_csv(lines: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue().encode()


def _text_of(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def append_labels(path: Path, entries: Iterable[LabelEntry]) -> None:
    """Add lines to a file of labels, all or none, and return when a power cut can't undo it any more; it is made where it is not.

    Raises:
        OSError: the disk refuses, or something that is no file is in the file's place.
    """
    content = _as_csv([(entry.picture, entry.label, entry.by, _text_of(entry.at)) for entry in entries])
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o644)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise UnusableFileError(path, "something that is not a file is in its place")
        with suppress(OSError):  # a network file system without locks: lines still go to the end, each whole
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        size = os.fstat(descriptor).st_size
        if not size:
            content = _as_csv([COLUMNS]) + content
        elif os.pread(descriptor, 1, size - 1) != b"\n":  # a power cut left half a line: ours begins a new one
            content = b"\n" + content
        try:
            _write_all(descriptor, content)
            os.fsync(descriptor)
        except OSError:
            with suppress(OSError):
                os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)
    if not size:
        sync_folder(path.parent)


def _write_all(descriptor: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]


def name_at_home(path: Path) -> Path:
    """Where the labels come home that a station has in this file: no person's own file is ever there."""
    return path.with_stem(f"{path.stem}{AT_STATION}")


@dataclass(frozen=True)
class Brought:
    """What became of a station's labels: how many lines are new here, and which were passed over.

    Attributes:
        is_all: it need not be brought again while it stays as it is.
    """

    new: int
    passed_over: Sequence[DamagedLine]
    is_all: bool = True


def bring_labels(home: Path, content: bytes, told_as: Path, wall_time: float) -> Brought:
    """Add a station's labels to those that came home from it before, of which none is ever lost, whatever it sends.

    `told_as` is what its damaged lines are told by.

    Raises:
        OSError: the disk refuses, or something that is no file is in the file's place.
    """
    if len(content) > MOST_BROUGHT_BYTES or content.count(b"\n") > MOST_BROUGHT_LINES:
        return Brought(0, [_too_many(told_as)], is_all=False)
    entries, passed_over = parse_labels(content, told_as)
    latest = datetime.fromtimestamp(wall_time, UTC) + _AHEAD
    early = [entry for entry in entries if entry.at > latest]
    if early:
        why = (
            f"{len(early)} labels of a time that is still to come, as {_text_of(early[0].at)}: set the station's clock"
        )
        passed_over.append(DamagedLine(told_as, 0, why))
    known: set[LabelEntry] = set()
    size = 0
    if os.path.lexists(home):
        known = set(read_labels_file(home)[0])
        size = home.lstat().st_size
    fresh = [entry for entry in map(_to_the_millisecond, entries) if entry.at <= latest and entry not in known]
    if size + sum(map(_size_of, fresh)) > MOST_BROUGHT_BYTES:
        return Brought(0, [*passed_over, _too_many(told_as)], is_all=False)
    append_labels(home, fresh)
    return Brought(len(fresh), passed_over, is_all=not early)


def _too_many(told_as: Path) -> DamagedLine:
    most = f"{MOST_BROUGHT_BYTES >> 20} MiB and {MOST_BROUGHT_LINES} lines"
    return DamagedLine(told_as, 0, f"expected at most {most} of a station's labels: none of the new ones was taken")


def _to_the_millisecond(entry: LabelEntry) -> LabelEntry:
    """As it is written, so that a line is known again."""
    return replace(entry, at=entry.at.replace(microsecond=entry.at.microsecond // 1000 * 1000))


def _size_of(entry: LabelEntry) -> int:
    return len(entry.picture.encode()) + len(entry.label) + len(entry.by) + 32
