"""Labelled photos: folder trees, split lists and CSV files, merged into the product's labels by a label map."""

from __future__ import annotations

import csv
import hashlib
import io
import logging
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from edge.bundle.photo import SUFFIXES, PhotoError, check_photo, load_photo
from edge.bundle.photo_tree import (
    MASK_SUFFIX,
    check_unreadable,
    is_hidden,
    is_photo,
    label_folders,
    photos_in,
)
from edge.bundle.pictures import thumbnail
from edge.errors import DatasetError
from edge.system.text import NotTextError, decode_text
from edge.types import Image
from training.dataset.exchange.source import read_kept, sources_of
from training.dataset.naming import Naming, check_utf8

Loaded = TypeVar("Loaded")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LabelledPhoto:
    """One photo; `name` is its path inside its source, with forward slashes, and stays the same on every machine.

    Photos of one source that have the same `item` show one thing or scene; it is empty where that is not known.
    """

    path: Path
    label: str
    name: str
    item: str = ""


def read_photos(source: Path, label_map: Mapping[str, str] | None = None) -> list[LabelledPhoto]:
    """Read a tree or a list; labels that the map does not name stay as they are.

    Raises:
        DatasetError: see `read_tree` and `read_list`.
    """
    return (read_tree if source.is_dir() else read_list)(source, label_map or {}, others_stay=True)


def read_tree(root: Path, label_map: Mapping[str, str] | None = None, others_stay: bool = False) -> list[LabelledPhoto]:
    """Return the photos of ROOT/LABEL/..., in order of name.

    Without a label map each folder is a label, as `as_label` writes it. A folder that the map does not name is left
    out and said to be, or, if `others_stay`, a label of its own.

    Raises:
        DatasetError: no such folder, a label's folder without photos, or a name that is no UTF-8 or no label.
    """
    naming = Naming(label_map, others_stay)
    if sources := sources_of(root):
        expected = ", ".join(str(root / name) for name in sources)
        raise DatasetError(f"{root}: a data set, of which one source is expected: {expected}")
    kept = read_kept(root)
    photos: list[LabelledPhoto] = []
    try:
        for folder in label_folders(root):
            label = naming.label(folder.name)
            if label is None:
                continue
            found = photos_in(folder)
            if not found:
                kinds = ", ".join(other_files([folder]))
                held = f" ({kinds} files are not read; expected {', '.join(sorted(SUFFIXES))})" if kinds else ""
                raise DatasetError(f"{folder}: a label without photos{held}: put photos in it or remove the folder")
            names = [(path, _name(path.relative_to(root))) for path in found]
            photos += [
                LabelledPhoto(path, label, name, kept[name].item if name in kept else "") for path, name in names
            ]
    except PhotoError as error:
        raise DatasetError(str(error)) from None
    naming.tell(root)
    if not photos:
        raise DatasetError(f"{root}: no photos in it; expected LABEL/NAME.jpg{naming.expected()}")
    _check_names(photos)
    return photos


def _name(path: Path) -> str:
    """A photo's name on every machine: a Mac writes an accent in two letters (NFD), Linux in one (NFC)."""
    return unicodedata.normalize("NFC", path.as_posix())


def _check_names(photos: Iterable[LabelledPhoto]) -> None:
    """Refuse names that no list, page or digest could hold: bytes of another encoding than UTF-8."""
    check_utf8([photo.name for photo in photos])


def other_files(folders: Iterable[Path]) -> dict[str, int]:
    """How many files of each kind lie in these folders that no photo is read from; lists do not count."""
    files = [path for folder in folders for path in folder.iterdir() if path.is_file()]
    others = [p for p in files if not is_photo(p) and not is_hidden(p.name) and not p.name.endswith(MASK_SUFFIX)]
    kinds = [path.suffix.lower() or path.name for path in others]
    return {kind: kinds.count(kind) for kind in sorted(set(kinds) - {".txt", ".csv"})}


def no_photos_at(source: Path) -> DatasetError:
    """Return the error of a list or folder that is not there."""
    return DatasetError(
        f"{source}: no such folder or list; expected a folder with one folder for each label, a .txt with LABEL/NAME "
        "lines or a .csv with path,label"
    )


def read_list(
    source: Path, label_map: Mapping[str, str] | None = None, others_stay: bool = False
) -> list[LabelledPhoto]:
    """Return the photos that a .txt (one LABEL/NAME a line) or .csv (columns path, label) names, relative to it.

    Labels as in `read_tree`.

    Raises:
        DatasetError: the list is missing, names a file that is not there, or a line has no label.
    """
    if not source.is_file():
        raise no_photos_at(source)
    try:
        text = decode_text(source.read_bytes())
        rows = _csv_rows(source, text) if source.suffix.lower() == ".csv" else _text_rows(source, text)
    except (NotTextError, csv.Error) as error:
        raise DatasetError(f"{source}: expected a folder or a list in UTF-8 text (.txt, .csv): {error}") from None
    naming = Naming(label_map, others_stay)
    photos, missing = [], []
    for name, given, item in rows:
        label = naming.label(given)
        path = _on_disk(source.parent / name)
        if label is None or any(is_hidden(part) for part in Path(name).parts if part != ".."):
            continue
        if path.is_file():
            photos.append(LabelledPhoto(path, label, _name(Path(name)), item))
        else:
            missing.append(name)
    naming.tell(source)
    if missing:
        shown = ", ".join(missing[:3])
        raise DatasetError(f"{source}: {len(missing)} photos of the list are not there ({shown}): correct the list")
    if not photos:
        raise DatasetError(f"{source}: the list names no photos{naming.expected()}")
    return photos


def _on_disk(path: Path) -> Path:
    """The path, with its accents written as the disk has them: a list may come from another system."""
    forms = (Path(unicodedata.normalize(form, str(path))) for form in ("NFC", "NFD"))
    return path if path.is_file() else next((form for form in forms if form.is_file()), path)


def _text_rows(source: Path, text: str) -> list[tuple[str, str, str]]:
    lines = [line.strip() for line in text.splitlines()]
    names = [line for line in lines if line and not line.startswith("#")]
    bad = [name for name in names if "/" not in name]
    if bad:
        raise DatasetError(f"{source}: expected LABEL/NAME in each line, got {bad[0]!r}")
    return [(name, Path(name).parent.name, "") for name in names]


def _csv_rows(source: Path, text: str) -> list[tuple[str, str, str]]:
    head = text.partition("\n")[0]
    # What spreadsheets write where the comma is the decimal one.
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=";" if ";" in head else ",")
    columns = set(reader.fieldnames or ())
    if not {"path", "label"} <= columns:
        raise DatasetError(f"{source}: expected columns path and label, got {', '.join(sorted(columns)) or 'none'}")
    return [(row["path"], row["label"], row.get("item") or "") for row in reader if row["path"] and row["label"]]


def without(photos: Iterable[LabelledPhoto], held_out: Path) -> list[LabelledPhoto]:
    """Leave out what a list of SET/LABEL/NAME lines names; the set's folder is the one above the label's."""
    lines = held_out.read_text(encoding="utf-8-sig").splitlines()
    names = {line.strip() for line in lines if line and not line.startswith("#")}
    return [photo for photo in photos if "/".join(photo.path.parts[-3:]) not in names]


def sift(
    photos: Sequence[LabelledPhoto],
    load: Callable[[Path], Loaded],
    on_progress: Callable[[int, int], None] = lambda *_: None,
) -> tuple[list[tuple[LabelledPhoto, Loaded]], list[tuple[LabelledPhoto, PhotoError]]]:
    """Load each photo; return what was loaded, and what could not be, which is named in the log.

    Raises:
        DatasetError: more than a tenth of the photos, and more than one, can't be read.
    """
    loaded: list[tuple[LabelledPhoto, Loaded]] = []
    unreadable: list[tuple[LabelledPhoto, PhotoError]] = []
    for number, photo in enumerate(photos):
        on_progress(number, len(photos))
        try:
            loaded.append((photo, load(photo.path)))
        except PhotoError as error:
            unreadable.append((photo, error))
    try:
        check_unreadable([error for _, error in unreadable], len(photos))
    except PhotoError as error:
        raise DatasetError(f"{error}; sorter dataset inspect names them all") from None
    for _, reason in unreadable:
        _log.warning("left out: %s", reason)
    return loaded, unreadable


def readable(photos: Sequence[LabelledPhoto]) -> list[LabelledPhoto]:
    """Leave out, and name, what is no photo that can be read.

    Raises:
        DatasetError: more than a tenth of the photos, and more than one, can't be read.
    """
    return [photo for photo, _ in sift(photos, check_photo)[0]]


def check_labels(photos: Sequence[LabelledPhoto], least: int = 2) -> tuple[str, ...]:
    """Return the labels in order of name.

    Raises:
        DatasetError: fewer than two labels, or a label with fewer photos than `least`.
    """
    counts: dict[str, int] = {}
    for photo in photos:
        counts[photo.label] = counts.get(photo.label, 0) + 1
    if len(counts) < 2:
        raise DatasetError(
            f"expected photos of two labels or more, got {', '.join(counts) or 'none'}: add another label"
        )
    few = [f"{label} ({count})" for label, count in sorted(counts.items()) if count < least]
    if few:
        raise DatasetError(f"expected at least {least} photos for each label, got {', '.join(few)}: add photos")
    return tuple(sorted(counts))


def data_digest(photos: Iterable[LabelledPhoto]) -> str:
    """SHA-256 over names, labels and contents, in order of name."""
    digest = hashlib.sha256()
    for photo in sorted(photos, key=lambda photo: (photo.name, photo.label)):
        digest.update(f"{photo.name}\0{photo.label}\0".encode())
        digest.update(hashlib.sha256(photo.path.read_bytes()).digest())
    return digest.hexdigest()


def load_small(path: Path, longer_side: int = 400) -> Image:
    """Read a photo and bring it down to `longer_side`; smaller ones stay as they are."""
    return thumbnail(load_photo(path), longer_side)
