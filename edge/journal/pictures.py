"""Kept pictures of items: JPEG files in a folder of bounded size, the oldest going first."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

import cv2

from edge.types import Image

QUALITY = 92  # close to lossless for a classifier, a tenth of the size


@dataclass
class Pictures:
    """The folder of kept pictures; used by the journal's writer only.

    The files are not synced: that would double the writes to the card, and a power cut costs a
    picture or two, never a row. Empty ones that a cut left behind go at the next start.
    """

    folder: Path
    max_bytes: int
    _kept: deque[tuple[Path, int]] | None = field(default=None, init=False)
    _bytes: int = field(default=0, init=False)

    def keep(self, name: str, picture: Image) -> bool:
        """Write the picture under the name; return False where the disk does not let us."""
        encoded = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1]
        path = self.folder / name
        try:
            kept = self._scan() if self._kept is None else self._kept
            self._make_room(kept, len(encoded))
            path.write_bytes(encoded.tobytes())
        except OSError:
            return False
        kept.append((path, len(encoded)))
        self._bytes += len(encoded)
        return True

    def _scan(self) -> deque[tuple[Path, int]]:
        self.folder.mkdir(exist_ok=True)
        found = sorted((path.stat().st_mtime_ns, path, path.stat().st_size) for path in self.folder.glob("*.jpg"))
        for _, path, size in found:
            if not size:
                path.unlink()
        self._kept = deque((path, size) for _, path, size in found if size)
        self._bytes = sum(size for _, size in self._kept)
        return self._kept

    def _make_room(self, kept: deque[tuple[Path, int]], size: int) -> None:
        while kept and self._bytes + size > self.max_bytes:
            path, freed = kept.popleft()
            self._bytes -= freed
            path.unlink(missing_ok=True)
