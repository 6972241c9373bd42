"""What every format of labelled pictures is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from training.dataset.exchange.entries import ExportedPhoto, Found, Terms
from training.dataset.exchange.files import Files

IMAGES = "images"
"""The folder of an export that holds its pictures."""


class Format(Protocol):
    """A way of writing down what is on which picture."""

    @property
    def name(self) -> str:
        """As in `--format`."""

    def recognises(self, files: Files) -> bool:
        """Whether the files look like this format; what is broken in them matters when they are read."""

    def read(self, files: Files) -> Found:
        """Read all entries; what can't be used is noted with its file and line or entry.

        Raises:
            DatasetError: a file as a whole can't be read.
        """


class WritableFormat(Format, Protocol):
    """A format that data sets are exported to as well."""

    def write(self, photos: Sequence[ExportedPhoto], folder: Path, terms: Terms) -> None:
        """Write photos and their labels into an empty folder, so that `read` finds the same there."""


def write_images(photos: Sequence[ExportedPhoto], folder: Path) -> None:
    """Move the photos themselves into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for photo in photos:
        photo.file.rename(folder / photo.name)
