"""Photos from a folder as a camera: one frame each, in the order of their names."""

from __future__ import annotations

import logging
from pathlib import Path

import cv2
import numpy as np

from edge.bundle.photo import PhotoError, load_photo
from edge.bundle.photo_tree import find_photos
from edge.clock import NS_PER_S
from edge.config.cameras import FolderCamera
from edge.errors import CameraError
from edge.interfaces import Clock
from edge.types import Frame, Image

log = logging.getLogger(__name__)


def letterbox(photo: Image, size: tuple[int, int]) -> Image:
    """Scale a photo of any size into (width, height) whole and undistorted; the rest is black. Always a new array."""
    width, height = size
    scale = min(width / photo.shape[1], height / photo.shape[0])
    inner = max(1, round(photo.shape[1] * scale)), max(1, round(photo.shape[0] * scale))
    framed = np.zeros((height, width, 3), np.uint8)
    x, y = (width - inner[0]) // 2, (height - inner[1]) // 2
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR_EXACT
    framed[y : y + inner[1], x : x + inner[0]] = cv2.resize(photo, inner, interpolation=method)
    return framed


class PhotoCamera:
    """Shows each photo for one frame interval; a file that is no photo is left out with a warning.

    `passed_over` says how many files were left out; each is told of once.
    """

    def __init__(self, settings: FolderCamera, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        if not settings.path.is_dir():
            raise CameraError(f"{settings.path}: no such folder; set camera.path, relative to the station file")
        try:
            self._photos = find_photos([settings.path])
        except PhotoError as error:
            raise CameraError(str(error)) from None
        self._frame_ns = round(NS_PER_S / settings.frames_per_s)
        self._opened_at = clock.now()
        self._at = self._sequence = self._shown = 0
        self._closed = False
        self._left_out: set[Path] = set()

    @property
    def passed_over(self) -> int:
        return len(self._left_out)

    @property
    def identity(self) -> str:
        return f"folder {self._settings.path}"

    @property
    def size(self) -> tuple[int, int]:
        return self._settings.width, self._settings.height

    def read(self) -> Frame | None:
        if self._closed:
            raise CameraError(f"{self._settings.path}: the camera is closed")
        photo = self._next_photo()
        if photo is None:
            return None
        captured_at = self._opened_at + self._sequence * self._frame_ns
        self._sequence += 1
        self._clock.sleep_until(captured_at)
        return Frame(letterbox(photo, self.size), captured_at, self._sequence)

    def close(self) -> None:
        self._closed = True

    def _next_photo(self) -> Image | None:
        """The next file that is a photo.

        Raises:
            CameraError: not one file of the folder is.
        """
        while True:
            if self._at == len(self._photos):
                if not self._shown:
                    raise CameraError(f"{self._settings.path}: none of its {self._at} files can be read as a photo")
                if not self._settings.loop:
                    return None
                self._at = self._shown = 0
            path = self._photos[self._at]
            self._at += 1
            try:
                photo = load_photo(path)
            except PhotoError as error:
                if path not in self._left_out:
                    log.warning("left out: %s", error)
                self._left_out.add(path)
                continue
            self._shown += 1
            return photo
