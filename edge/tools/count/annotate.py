"""Draws what finding and following see into a copy of the clip."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2

from edge.clock import NS_PER_S
from edge.errors import ConfigError
from edge.interfaces import Sighting
from edge.types import Frame, Item

FOLLOWED, COUNTED, TEXT = (0, 220, 0), (40, 40, 255), (255, 255, 255)  # BGR


class ClipWriter:
    """Writes frames with boxes around what is followed (green), what was counted (red), and the count so far."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: Any = None
        self._waiting: tuple[Any, int] | None = None
        self._count = 0

    def __enter__(self) -> ClipWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._waiting is not None and self._writer is not None:
            self._writer.write(self._waiting[0])
        if self._writer is not None:
            self._writer.release()

    def write(self, frame: Frame, sightings: Sequence[Sighting], items: Sequence[Item]) -> None:
        """Take one frame in.

        Raises:
            ConfigError: the file can't be written.
        """
        self._count += len(items)
        picture = cv2.cvtColor(frame.pixels, cv2.COLOR_RGB2BGR)
        for sighting in sightings:
            box, colour = sighting.box, COUNTED if sighting.settled else FOLLOWED
            cv2.rectangle(picture, (box.x, box.y), (box.x + box.width, box.y + box.height), colour, 2)
        cv2.putText(picture, f"{self._count}", (8, 26), cv2.FONT_HERSHEY_SIMPLEX, 0.9, TEXT, 2, cv2.LINE_AA)
        if self._waiting is not None:
            if self._writer is None:
                self._open(picture.shape, frame.captured_at - self._waiting[1])
            self._writer.write(self._waiting[0])
        self._waiting = picture, frame.captured_at

    def _open(self, shape: tuple[int, ...], interval_ns: int) -> None:
        rate = NS_PER_S / max(1, interval_ns)
        codec = cv2.VideoWriter.fourcc(*"mp4v")
        self._writer = cv2.VideoWriter(str(self._path), codec, rate, (shape[1], shape[0]))
        if not self._writer.isOpened():
            raise ConfigError(f"{self._path}: can't be written as a video; expected a path that ends in .mp4")
