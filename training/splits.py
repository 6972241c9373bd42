"""Splits that stay where they are, and the import of foreign photos."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2

from edge.bundle.photo import load_photo
from edge.errors import SorterError
from training.photos import DatasetError, LabelledPhoto


def split(
    photos: Sequence[LabelledPhoto], groups: Mapping[str, int], validation: float, test: float
) -> dict[str, list[LabelledPhoto]]:
    """Put each photo, or group of near duplicates, where a hash of its name says.

    A photo's part depends on its own name only, so that added photos move no old one; a group goes where its
    first member (in order of name) goes, so a group that grows stays where its first member was.

    Raises:
        DatasetError: a label has no photo in one of the parts.
    """
    first: dict[int, str] = {}
    for photo in sorted(photos, key=lambda photo: photo.name):
        if photo.name in groups:
            first.setdefault(groups[photo.name], photo.name)
    parts: dict[str, list[LabelledPhoto]] = {"train": [], "val": [], "test": []}
    for photo in photos:
        key = first[groups[photo.name]] if photo.name in groups else photo.name
        place = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") / 2**64
        parts["test" if place < test else "val" if place < test + validation else "train"].append(photo)
    wanted = {"train", *(["val"] if validation > 0 else []), *(["test"] if test > 0 else [])}
    labels = {photo.label for photo in photos}
    for name in sorted(wanted):
        missing = sorted(labels - {photo.label for photo in parts[name]})
        if missing:
            raise DatasetError(f"the part {name} got no photo of {', '.join(missing)}: add photos of it")
    return parts


def write(parts: Mapping[str, Sequence[LabelledPhoto]], out: Path) -> None:
    """Write NAME.csv for each part (path, label), with paths relative to `out`."""
    out.mkdir(parents=True, exist_ok=True)
    for name, photos in parts.items():
        rows = [f"{os.path.relpath(photo.path, out)},{photo.label}" for photo in photos]
        (out / f"{name}.csv").write_text("path,label\n" + "\n".join(rows) + "\n", encoding="utf-8")


def import_photos(photos: Sequence[LabelledPhoto], label_map: Mapping[str, str], out: Path) -> tuple[int, list[str]]:
    """Copy photos as upright 8-bit RGB files; return how many are new, and why others were left out."""
    copied, refused = 0, []
    for photo in photos:
        label = label_map.get(photo.label, photo.label)
        try:
            pixels = load_photo(photo.path)
        except SorterError as error:
            refused.append(str(error))
            continue
        digest = hashlib.sha256(pixels.tobytes()).hexdigest()[:16]
        target = out / label / f"{digest}.png" if photo.path.suffix.lower() == ".png" else out / label / f"{digest}.jpg"
        if target.is_file():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if not cv2.imwrite(str(target), cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 95]):
            raise DatasetError(f"{target}: can't write it: is the disk full?")
        copied += 1
    return copied, refused
