"""A source in a data set: DATASET/SOURCE/LABEL/PHOTO, with photos.csv and source.toml beside; it appears whole or not at all."""

from __future__ import annotations

import csv
import fcntl
import io
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import tomli_w
from pydantic import BaseModel, ConfigDict, ValidationError

from edge.bundle.photo_tree import is_hidden
from edge.errors import ConfigError, DatasetError
from edge.system.files import discard, sync_folder
from edge.system.text import NotTextError
from edge.system.toml import load_toml
from edge.types import Box

PHOTOS = "photos.csv"
"""Beside the photos of a source: where each is from, what it shares an item with, and where in it its item lies."""
SOURCE = "source.toml"
"""Beside it: licence and origin."""
NAME = r"\w[\w@.-]{0,63}"
"""Of a source; it is a folder too."""
COLUMNS = ("path", "label", "item", "x", "y", "width", "height", "picture")
NO_LICENCE = "none stated"
_WORK = ".unfinished"  # what is hidden is no one's photos
_BEFORE = ".before-"  # and a source's name: it gives way to its successor


@dataclass(frozen=True)
class Kept:
    """A photo of a source: its path in it, its label, what it shares an item with, its item's box, and where it is from."""

    path: str
    label: str
    item: str = ""
    box: Box | None = None
    picture: str = ""

    def row(self) -> tuple[object, ...]:
        box = self.box
        sides = ("",) * 4 if box is None else (box.x, box.y, box.width, box.height)
        return (self.path, self.label, self.item, *sides, self.picture)


class ImportNote(BaseModel):
    """One import into a source."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    taken_from: str = ""
    format: str = ""
    licence: str = NO_LICENCE
    origin: str = ""
    margin: float = 0.0
    photos: int = 0


class SourceNote(BaseModel):
    """What source.toml says; a person may have written it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str = ""
    imports: tuple[ImportNote, ...] = ()

    @property
    def licence(self) -> str:
        """The licences of all imports; empty where none is stated."""
        stated = dict.fromkeys(one.licence for one in self.imports if one.licence != NO_LICENCE)
        return "; ".join(stated)


def check_source_name(name: str) -> str:
    """Return the name of a source if it can be one.

    Raises:
        ConfigError: it can't.
    """
    if not re.fullmatch(NAME, name):
        raise ConfigError(f"--source {name!r}: expected letters, digits and @ . _ -, 64 at most, as in hall-1")
    return name


def read_kept(folder: Path) -> dict[str, Kept]:
    """What photos.csv says, by path; nothing if there is none, or one of somebody else's.

    Raises:
        DatasetError: it is damaged.
    """
    file = folder / PHOTOS
    if not file.is_file():
        return {}
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            rows = csv.DictReader(lines)
            if not set(COLUMNS) <= set(rows.fieldnames or ()) and not (folder / SOURCE).is_file():
                return {}
            return {row["path"]: _kept(row) for row in rows}
    except (OSError, KeyError, TypeError, ValueError, csv.Error):
        raise DatasetError(
            f"{file}: damaged, expected the columns {', '.join(COLUMNS)}: put it back, or import the source again"
        ) from None


def _kept(row: Mapping[str, str]) -> Kept:
    sides = [row[side] for side in ("x", "y", "width", "height")]
    box = Box(*map(int, sides)) if any(sides) else None
    return Kept(row["path"], row["label"], row["item"], box, row["picture"])


def write_kept(folder: Path, photos: Sequence[Kept]) -> None:
    """Write photos.csv."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(photo.row() for photo in sorted(photos, key=lambda photo: photo.path))
    _replace(folder / PHOTOS, text.getvalue())


def read_note(folder: Path) -> SourceNote:
    """What source.toml says; nothing if there is none.

    Raises:
        DatasetError: it is damaged.
    """
    file = folder / SOURCE
    if not file.is_file():
        return SourceNote()
    try:
        return SourceNote.model_validate(load_toml(file))
    except OSError as error:
        raise DatasetError(f"{file}: can't read it ({error.strerror})") from None
    except NotTextError as error:
        raise DatasetError(f"{file}: {error}") from None
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        raise DatasetError(f"{file}: {'; '.join(lines)}: correct it") from None


def write_note(folder: Path, note: SourceNote) -> None:
    """Write source.toml."""
    text = "# Where these photos are from. Written by `sorter dataset import`; correct it where you know better.\n"
    _replace(folder / SOURCE, text + tomli_w.dumps(note.model_dump()))


def _replace(file: Path, text: str) -> None:
    file.unlink(missing_ok=True)  # it may be a link to that of the source before
    file.write_text(text, encoding="utf-8")


def sources_of(dataset: Path) -> list[str]:
    """The names of a data set's sources."""
    if not dataset.is_dir():
        return []
    return sorted(path.parent.name for path in dataset.glob(f"*/{SOURCE}") if not is_hidden(path.parent.name))


@contextmanager
def working_in(folder: Path) -> Iterator[Path]:
    """Lock a folder and give an empty one in it to work in, which is gone afterwards, as is what a cut left behind.

    Raises:
        DatasetError: another import or export is at work.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DatasetError(
                f"{folder}: another import or export into it is running: wait until it is done"
            ) from None
        work = folder / _WORK
        _recover(folder)
        discard(work)
        work.mkdir()
        try:
            yield work
        finally:
            discard(work)
    finally:
        os.close(descriptor)


def _recover(folder: Path) -> None:
    """Undo or end what was cut off between the two renames of `publish`."""
    for before in folder.glob(f"{_BEFORE}*"):
        target = folder / before.name.removeprefix(_BEFORE)
        if target.exists():
            discard(before)
        else:
            before.rename(target)


def copy_of(source: Path, target: Path) -> None:
    """Begin a folder with all that a source has; its files are linked where the disk can."""

    def link(old: str, new: str) -> None:
        try:
            os.link(old, new)
        except OSError:
            shutil.copy2(old, new)

    shutil.copytree(source, target, copy_function=link)


def publish(made: Path, target: Path) -> None:
    """Give a folder that is complete its name, in place of the one of before if there is one.

    A cut leaves the old source or the new one; in the instant between both the old one is at hand under `.before-NAME`,
    and the next import or export there puts it back.
    """
    _sync(made)
    before = target.with_name(_BEFORE + target.name)
    if target.exists():
        target.rename(before)
    made.rename(target)
    sync_folder(target.parent)
    discard(before)


def _sync(folder: Path) -> None:
    """Return when all files of a folder are on the disk, so that its name is never there without them."""
    for parent, _, names in os.walk(folder):
        for name in names:
            descriptor = os.open(Path(parent, name), os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        sync_folder(Path(parent))
