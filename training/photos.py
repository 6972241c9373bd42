"""Labelled photos: folder trees, split lists and CSV files, merged into the product's labels by a label map."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from edge.bundle.photo import SUFFIXES, load_photo
from edge.errors import SorterError
from edge.types import Image


class DatasetError(SorterError):
    """A data set, a list or a photo in it is not what training can use."""

    exit_code = 2


@dataclass(frozen=True)
class LabelledPhoto:
    """One photo; `name` is its path inside its source, with forward slashes, and stays the same on every machine."""

    path: Path
    label: str
    name: str


def read_tree(root: Path, label_map: Mapping[str, str] | None = None) -> list[LabelledPhoto]:
    """Return the photos of ROOT/LABEL/..., in order of name; a folder that the label map does not name is left out.

    Raises:
        DatasetError: no such folder, a label's folder without photos, or a name that is no UTF-8.
    """
    if not root.is_dir():
        raise DatasetError(f"{root}: no such folder; expected one folder of photos for each label")
    photos: list[LabelledPhoto] = []
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        label = folder.name if label_map is None else label_map.get(folder.name)
        if label is None:
            continue
        found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
        if not found:
            kinds = ", ".join(other_files([folder]))
            held = f" ({kinds} files are not read; expected {', '.join(sorted(SUFFIXES))})" if kinds else ""
            raise DatasetError(f"{folder}: a label without photos{held}: put photos in it or remove the folder")
        photos += [LabelledPhoto(path, label, path.relative_to(root).as_posix()) for path in found]
    if not photos:
        raise DatasetError(f"{root}: no photos in it; expected LABEL/NAME.jpg")
    _check_names(photos)
    return photos


def _check_names(photos: Iterable[LabelledPhoto]) -> None:
    """Refuse names that no list, page or digest could hold: bytes of another encoding than UTF-8."""
    odd = [photo.name for photo in photos if any("\udc80" <= letter <= "\udcff" for letter in photo.name)]
    if odd:
        raise DatasetError(f"names that are not UTF-8: {len(odd)}, the first {odd[0]!a}: rename them")


def other_files(folders: Iterable[Path]) -> dict[str, int]:
    """How many files of each kind lie in these folders that no photo is read from; lists do not count."""
    files = [path for folder in folders for path in folder.iterdir() if path.is_file()]
    kinds = [path.suffix.lower() or path.name for path in files]
    return {kind: kinds.count(kind) for kind in sorted(set(kinds) - SUFFIXES - {".txt", ".csv"})}


def read_list(source: Path, label_map: Mapping[str, str] | None = None) -> list[LabelledPhoto]:
    """Return the photos that a .txt (one LABEL/NAME a line) or .csv (columns path, label) names, relative to it.

    Raises:
        DatasetError: the list is missing, names a file that is not there, or a line has no label.
    """
    if not source.is_file():
        raise DatasetError(
            f"{source}: no such folder or list; expected a folder with one folder for each label, a .txt with LABEL/NAME lines or a .csv with path,label"
        )
    try:
        rows = _csv_rows(source) if source.suffix == ".csv" else _text_rows(source)
    except (UnicodeDecodeError, csv.Error):
        raise DatasetError(f"{source}: expected a folder or a list in UTF-8 text (.txt, .csv), got none") from None
    photos, missing = [], []
    for name, given in rows:
        label = given if label_map is None else label_map.get(given)
        path = source.parent / name
        if label is None:
            continue
        if path.is_file():
            photos.append(LabelledPhoto(path, label, name))
        else:
            missing.append(name)
    if missing:
        shown = ", ".join(missing[:3])
        raise DatasetError(f"{source}: {len(missing)} photos of the list are not there ({shown}): mend the list")
    if not photos:
        raise DatasetError(f"{source}: the list names no photos")
    return photos


def _text_rows(source: Path) -> list[tuple[str, str]]:
    lines = [line.strip() for line in source.read_text(encoding="utf-8").splitlines()]
    names = [line for line in lines if line and not line.startswith("#")]
    bad = [name for name in names if "/" not in name]
    if bad:
        raise DatasetError(f"{source}: expected LABEL/NAME in each line, got {bad[0]!r}")
    return [(name, Path(name).parent.name) for name in names]


def _csv_rows(source: Path) -> list[tuple[str, str]]:
    with source.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        columns = set(reader.fieldnames or ())
        if not {"path", "label"} <= columns:
            raise DatasetError(f"{source}: expected columns path and label, got {', '.join(sorted(columns)) or 'none'}")
        return [(row["path"], row["label"]) for row in reader if row["path"] and row["label"]]


def without(photos: Iterable[LabelledPhoto], held_out: Path) -> list[LabelledPhoto]:
    """Leave out what a list of SET/LABEL/NAME lines names; the set's folder is the one above the label's."""
    lines = held_out.read_text(encoding="utf-8").splitlines()
    names = {line.strip() for line in lines if line and not line.startswith("#")}
    return [photo for photo in photos if "/".join(photo.path.parts[-3:]) not in names]


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
    pixels = load_photo(path)
    height, width = pixels.shape[:2]
    scale = longer_side / max(height, width)
    if scale >= 1.0:
        return pixels
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
