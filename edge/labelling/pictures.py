"""The pictures of a folder that people label: found below it, and read without leaving it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edge.bundle.kept_names import is_by_chance, kept_item_of
from edge.bundle.photo import PhotoError, load_photo
from edge.bundle.photo_tree import photos_in
from edge.labelling.labels import can_be_labelled
from edge.types import Image


@dataclass
class PictureFolder:
    """All pictures in a folder and below, named by their path from it, with slashes; links are passed over.

    The folder is never changed by it.

    Attributes:
        only_random: take none but the pictures that a station kept because chance chose them.
        names: the pictures, `item-2` before `item-10`; random ones in an order that is fixed and says nothing of when they
            came, so that those labelled first are a random choice too.
        unusable: why a picture can't be shown, by its name; who finds out later adds it.
    """

    folder: Path
    only_random: bool = False
    names: tuple[str, ...] = field(default=(), init=False)
    unusable: dict[str, str] = field(default_factory=dict, init=False)
    _numbers: Mapping[str, int] = field(default_factory=dict, init=False)
    _looks: Mapping[str, Sequence[str]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        if not self.folder.is_dir():
            raise PhotoError(f"{self.folder}: expected a folder of pictures, such as one that `sorter pull` made")
        self.folder = self.folder.resolve()
        self.look()

    def look(self) -> None:
        """Find the pictures that are there now.

        Raises:
            PhotoError: there are none, or a folder can't be listed.
        """
        found, unusable = [], {}
        for path in photos_in(self.folder):
            name = path.relative_to(self.folder).as_posix()
            if path.is_symlink():
                unusable[name] = "a link, which is not followed here"
            elif self.only_random and not is_by_chance(path.name):
                continue
            elif not can_be_labelled(name):
                unusable[name] = "a name that no line of a file can hold: rename it"
            else:
                found.append(name)
        if not found and self.only_random:
            raise PhotoError(
                f"{self.folder}: no pictures in it or below that chance chose; a station keeps some where "
                "journal.random_share is above 0"
            )
        if not found:
            raise PhotoError(f"{self.folder}: no pictures in it or below; expected JPEG or PNG files")
        self.names = tuple(sorted(found, key=_shuffled if self.only_random else _natural))
        self.unusable = unusable
        self._numbers = {name: number for number, name in enumerate(self.names)}
        looks: dict[str, list[str]] = {}
        for name in self.names:
            looks.setdefault(_item(name), []).append(name)
        self._looks = looks

    def __contains__(self, name: object) -> bool:
        return name in self._numbers

    def number(self, name: str) -> int:
        """The place of a picture among `names`."""
        return self._numbers[name]

    def looks(self, name: str) -> Sequence[str]:
        """All pictures of the item that a station took this one of, itself among them; of any other picture itself alone."""
        return self._looks[_item(name)]

    def load(self, name: str, at_least: int) -> Image:
        """Read a picture of `names` as RGB, its longer side of `at_least` pixels if it has so many (see `load_photo`).

        May be called from any thread.

        Raises:
            PhotoError: it can't be read any more, is damaged or too large, or has become a link.
        """
        path = self.folder / name
        try:
            if path.resolve() != path:
                raise PhotoError(f"{path}: a link, which is not followed here")
            return load_photo(path, follow=False, at_least=at_least)
        except (PhotoError, OSError) as error:
            raise PhotoError(str(error).removeprefix(f"{path}: ")) from None


def _item(name: str) -> str:
    """What the pictures of one item have in common; of a picture that no station named its own name."""
    folder, slash, file = name.rpartition("/")
    item = kept_item_of(file)
    return f"{folder}{slash}{item}" if item else name


def _shuffled(name: str) -> tuple[bytes, str]:
    """A key that sorts as by chance, everywhere the same; the looks at one item stay together."""
    return hashlib.sha256(_item(name).rpartition("/")[2].encode()).digest(), name


def _natural(name: str) -> list[tuple[int, str]]:
    """A key that sorts numbers in names by their size."""
    return [(int(part), "") if part.isdecimal() and len(part) < 20 else (-1, part) for part in re.split(r"(\d+)", name)]
