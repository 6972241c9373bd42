"""What a station was shown while it was taught: plain pictures, a folder for each label, all looks at an item under one name."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge.bundle.pictures import encode_png
from edge.errors import TeachingError
from edge.system.files import sync_folder, write_atomically
from edge.types import REASON_TEXT, Image, Item

TEACHING_FOLDER: Final = "teaching"
PICTURES_FOLDER: Final = "pictures"
TWO_AT_ONCE: Final = "two things came at once, and which is which can't be told; put them through one after the other"
NO_PICTURE: Final = "there is no usable picture of it"
_LOOK = re.compile(r"(\d{8}T\d{6}Z-\d{4,})-\d+\.png")
_INSTANT = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)\d\dZ-.*")


def item_of(picture: str) -> str:
    """The item that a picture's file name tells of; empty where a station did not take it while it was taught."""
    match = _LOOK.fullmatch(picture)
    return match[1] if match else ""


@dataclass(frozen=True)
class ShownLabel:
    """How much of a label was shown: when first and last, as `2026-11-28 02:24` (UTC)."""

    items: int
    pictures: int
    first: str
    last: str


def why_not_counted(items: Sequence[Item]) -> str:
    """Why what was seen is not one thing to learn from; empty where it is."""
    if len(items) > 1:
        return TWO_AT_ONCE
    if items[0].reject_reason is not None:
        return REASON_TEXT[items[0].reject_reason]
    return "" if items[0].crops else NO_PICTURE


class ShownItems:
    """The pictures in a station's state folder; whoever changes them holds `claim_folder` of the folder above.

    An item is there with all its pictures before the next one is asked for: a power cut loses no more than the one in hand.
    """

    def __init__(self, state_folder: Path) -> None:
        self.folder = state_folder / TEACHING_FOLDER / PICTURES_FOLDER

    def items(self, label: str) -> list[str]:
        """The items of a label, in the order in which they were shown."""
        return sorted({item for path in self._pictures(label) if (item := item_of(path.name))})

    def labels(self) -> dict[str, ShownLabel]:
        """What was shown, by label."""
        found = {}
        with _explained(self.folder, "read"):
            names = sorted(path.name for path in self.folder.iterdir() if path.is_dir()) if self.folder.is_dir() else []
        for name in names:
            if not name.startswith(".") and (items := self.items(name)):
                first, last = _instant(items[0]), _instant(items[-1])
                found[name] = ShownLabel(len(items), len(self._pictures(name)), first, last)
        return found

    def keep(self, label: str, stamp: str, looks: Sequence[Image]) -> str:
        """Keep an item, all looks at it or none, and return its name; `stamp` is the instant as names have it.

        Raises:
            TeachingError: the disk does not let us.
        """
        own = self.folder / label
        number = 1 + max((int(item.rpartition("-")[2]) for item in self.items(label)), default=0)
        item = f"{stamp}-{number:04}"
        paths = [own / f"{item}-{look}.png" for look in range(1, len(looks) + 1)]
        with _explained(own, "written"):
            try:
                own.mkdir(parents=True, exist_ok=True)
                for path, look in zip(paths, looks, strict=True):
                    write_atomically(path, encode_png(look))
            except BaseException:
                for path in paths:
                    with suppress(OSError):
                        path.unlink()
                raise
        return item

    def take_back(self, label: str, item: str) -> None:
        """Forget one item.

        Raises:
            TeachingError: the disk does not let us.
        """
        own = self.folder / label
        with _explained(own, "removed"):
            for path in self._pictures(label):
                if item_of(path.name) == item:
                    path.unlink(missing_ok=True)
            sync_folder(own)

    def forget(self, label: str) -> None:
        """Forget a label with all its pictures; out of sight in one step.

        Raises:
            TeachingError: nothing of it was shown, or the disk does not let us.
        """
        own, gone = self.folder / label, self.folder / f".{label}.gone"
        known = self.labels()
        if label not in known:
            told = ", ".join(known) or "nothing"
            raise TeachingError(f"{label!r}: nothing of it was shown here; shown was: {told}")
        with _explained(own, "removed"):
            shutil.rmtree(gone, ignore_errors=True)
            own.rename(gone)
            sync_folder(self.folder)
            shutil.rmtree(gone)

    def _pictures(self, label: str) -> list[Path]:
        own = self.folder / label
        with _explained(own, "read"):
            return sorted(path for path in own.iterdir() if item_of(path.name)) if own.is_dir() else []


def _instant(item: str) -> str:
    return _INSTANT.sub(r"\1-\2-\3 \4:\5", item)


@contextmanager
def _explained(folder: Path, what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TeachingError(
            f"{folder}: pictures can't be {what} ({error.strerror}): make room, or correct who owns the folder; what was "
            "shown before is still there"
        ) from None
