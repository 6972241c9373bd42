"""Folders: one folder of pictures a label, also below train, valid and test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge.bundle.photo_tree import is_hidden
from training.dataset.exchange.entries import Entry, ExportedPhoto, Found, Terms
from training.dataset.exchange.files import Files
from training.dataset.exchange.formats.base import write_images

PARTS = frozenset({"train", "training", "valid", "val", "validation", "test"})


class Folders:
    """LABEL/PHOTO, or PART/LABEL/PHOTO."""

    name = "folders"

    def recognises(self, files: Files) -> bool:
        return any(path.parent != files.root for path in files.pictures)

    def read(self, files: Files) -> Found:
        found = Found()
        folders = {path.relative_to(files.root).parts[0] for path in files.pictures if path.parent != files.root}
        depth = 1 if folders and {name.lower() for name in folders} <= PARTS else 0
        for path in files.pictures:
            parts = path.relative_to(files.root).parts
            if len(parts) < depth + 2:
                found.passed_over.add("pictures in no label's folder", files.name(path))
            elif not any(is_hidden(part) for part in parts):
                found.entries.append(Entry(path, parts[depth], files.name(path)))
        return found

    def write(self, photos: Sequence[ExportedPhoto], folder: Path, terms: Terms) -> None:
        for label in sorted({photo.label for photo in photos}):
            write_images([photo for photo in photos if photo.label == label], folder / label)
