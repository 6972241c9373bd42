"""Kept pictures of items: JPEG files in a folder of bounded size, all looks at an item together, the oldest going first."""

from __future__ import annotations

import math
import shutil
import stat
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from edge.bundle.kept_names import is_by_chance, item_of, look_names
from edge.bundle.pictures import KEPT_QUALITY, encode_jpeg
from edge.system.files import write_regular
from edge.types import Image

RESERVE_BYTES = 20_000_000  # room that pictures leave for rows, models and logs
RANDOM_ROOM = 0.5  # of the folder, for what chance chose: it goes last, but what is to be learnt from needs room too


@dataclass(frozen=True, slots=True)
class _Group:
    """All pictures of one item."""

    item: str
    files: tuple[Path, ...]
    size: int


@dataclass
class _Shelf:
    """Items and their bytes, oldest first."""

    groups: deque[_Group] = field(default_factory=deque)
    size: int = 0

    def add(self, group: _Group) -> None:
        self.groups.append(group)
        self.size += group.size

    def drop_oldest(self) -> None:
        for path in self.groups[0].files:
            path.unlink(missing_ok=True)
        self.size -= self.groups.popleft().size


@dataclass
class Pictures:
    """The folder of kept pictures; used by the journal's writer only.

    The files are not synced: that would double the writes to the card, and a power cut costs a
    picture or two, never a row. Empty ones that a cut left behind go at the next start.
    """

    folder: Path
    max_bytes: int
    reserve_bytes: int = RESERVE_BYTES
    _random: _Shelf = field(default_factory=_Shelf, init=False)
    _others: _Shelf = field(default_factory=_Shelf, init=False)
    _scanned: bool = field(default=False, init=False)

    def keep(self, item: str, looks: Sequence[Image]) -> bool:
        """Write all looks at an item under its name, or none; return False where the disk does not let us."""
        encoded = [encode_jpeg(look, KEPT_QUALITY) for look in looks]
        paths = [self.folder / name for name in look_names(item, len(looks))]
        group = _Group(item, tuple(paths), sum(map(len, encoded)))
        if group.size > self.max_bytes:
            return False
        try:
            self._scan()
            while self._random.size + self._others.size + group.size > self.max_bytes:
                self._drop_oldest()
            if shutil.disk_usage(self.folder).free < self.reserve_bytes:
                return False
            for path, content in zip(paths, encoded, strict=True):
                write_regular(path, content)
        except OSError:
            for path in paths:
                with suppress(OSError):
                    path.unlink()
            return False
        self._shelf(group).add(group)
        return True

    def give_up_some(self) -> None:
        """Remove the oldest tenth of the items, for a disk that is full: rows are worth more.

        Raises:
            OSError: the disk does not let us.
        """
        self._scan()
        for _ in range(math.ceil((len(self._random.groups) + len(self._others.groups)) / 10)):
            self._drop_oldest()

    def _scan(self) -> None:
        """Look up once what is kept."""
        if self._scanned:
            return
        self.folder.mkdir(exist_ok=True)
        self._random, self._others = _Shelf(), _Shelf()  # the last try may have been cut off
        found = sorted(
            (status.st_mtime_ns, path, status.st_size)
            for path in self.folder.glob("*.jpg")
            if stat.S_ISREG((status := path.lstat()).st_mode)
        )
        for _, path, size in found:
            if not size:
                path.unlink()
        # The looks at one item were written one after the other: they are beside each other.
        for item, files in groupby(((path, size) for _, path, size in found if size), lambda one: item_of(one[0].name)):
            paths, sizes = zip(*files, strict=True)
            group = _Group(item, paths, sum(sizes))
            self._shelf(group).add(group)
        self._scanned = True

    def _shelf(self, group: _Group) -> _Shelf:
        return self._random if is_by_chance(group.item) else self._others

    def _drop_oldest(self) -> None:
        random, others = self._random, self._others
        crowding = random.size > RANDOM_ROOM * self.max_bytes
        (random if random.groups and (crowding or not others.groups) else others).drop_oldest()
