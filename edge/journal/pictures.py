"""Kept pictures of items: JPEG files in a folder of bounded size, the oldest going first."""

from __future__ import annotations

import math
import shutil
import stat
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from edge.bundle.pictures import KEPT_QUALITY, encode_jpeg
from edge.system.files import write_regular
from edge.types import Image

RESERVE_BYTES = 20_000_000  # room that pictures leave for rows, models and logs


@dataclass
class Pictures:
    """The folder of kept pictures; used by the journal's writer only.

    The files are not synced: that would double the writes to the card, and a power cut costs a
    picture or two, never a row. Empty ones that a cut left behind go at the next start.
    """

    folder: Path
    max_bytes: int
    reserve_bytes: int = RESERVE_BYTES
    _kept: deque[tuple[Path, int]] | None = field(default=None, init=False)
    _bytes: int = field(default=0, init=False)

    def keep(self, name: str, picture: Image) -> bool:
        """Write the picture under the name; return False where the disk does not let us."""
        encoded = encode_jpeg(picture, KEPT_QUALITY)
        path = self.folder / name
        try:
            kept = self._scan()
            while kept and self._bytes + len(encoded) > self.max_bytes:
                self._drop_oldest(kept)
            if len(encoded) > self.max_bytes or shutil.disk_usage(self.folder).free < self.reserve_bytes:
                return False
            write_regular(path, encoded)
        except OSError:
            return False
        kept.append((path, len(encoded)))
        self._bytes += len(encoded)
        return True

    def give_up_some(self) -> None:
        """Remove the oldest tenth of the pictures, for a disk that is full: rows are worth more.

        Raises:
            OSError: the disk does not let us.
        """
        kept = self._scan()
        for _ in range(math.ceil(len(kept) / 10)):
            self._drop_oldest(kept)

    def _scan(self) -> deque[tuple[Path, int]]:
        """Return what is kept, oldest first; looked up once."""
        if self._kept is not None:
            return self._kept
        self.folder.mkdir(exist_ok=True)
        found = sorted(
            (status.st_mtime_ns, path, status.st_size)
            for path in self.folder.glob("*.jpg")
            if stat.S_ISREG((status := path.lstat()).st_mode)
        )
        for _, path, size in found:
            if not size:
                path.unlink()
        self._kept = deque((path, size) for _, path, size in found if size)
        self._bytes = sum(size for _, size in self._kept)
        return self._kept

    def _drop_oldest(self, kept: deque[tuple[Path, int]]) -> None:
        path, freed = kept[0]
        path.unlink(missing_ok=True)
        kept.popleft()
        self._bytes -= freed
