"""A recorded clip as a camera: its own size, its own timing."""

from __future__ import annotations

import logging
from typing import Any

import cv2

from edge.clock import NS_PER_MS, NS_PER_S
from edge.config.cameras import VideoCamera
from edge.errors import CameraError
from edge.interfaces import Clock
from edge.types import Frame, Image

log = logging.getLogger(__name__)


class ClipCamera:
    """Plays a video file in real time of the station's clock.

    `captured_at` is the instant of opening plus the frame's own presentation time, so that a clip
    with a variable frame rate keeps its speeds.
    """

    def __init__(self, settings: VideoCamera, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._capture: Any = self._open()
        rate = float(self._capture.get(cv2.CAP_PROP_FPS))
        self._frame_ns = round(NS_PER_S / (rate if 0 < rate <= 1000 else settings.frames_per_s))
        first = self._decode()
        if first is None:
            raise CameraError(f"{settings.path}: no picture can be decoded from it; expected a video that ffmpeg reads")
        self._size = (first.shape[1], first.shape[0])
        self._next: Image | None = first
        self._sequence = 0
        self._opened_at = self._starts_at = self._last_at = clock.now()

    @property
    def identity(self) -> str:
        return f"video {self._settings.path}"

    @property
    def size(self) -> tuple[int, int]:
        return self._size

    def read(self) -> Frame | None:
        if self._capture is None:
            raise CameraError(f"{self._settings.path}: the camera is closed")
        if self._next is None and not self._start_again():
            return None
        pixels = self._next
        assert pixels is not None
        captured_at = self._instant()
        self._next = self._decode()
        self._last_at, self._sequence = captured_at, self._sequence + 1
        self._clock.sleep_until(captured_at)
        return Frame(pixels, captured_at, self._sequence)

    def close(self) -> None:
        if self._capture is not None:
            self._capture.release()
            self._capture = None

    def _open(self) -> Any:
        path = self._settings.path
        if not path.is_file():
            raise CameraError(f"{path}: no such video file; set camera.path, relative to the station file")
        capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        if not capture.isOpened():
            raise CameraError(f"{path}: not a video that can be opened; expected MP4, MKV, AVI, MOV, WebM or GIF")
        return capture

    def _decode(self) -> Image | None:
        """Decode one frame ahead, so that the end is known before anybody waits for it."""
        ok, pixels = self._capture.read()
        if not ok or pixels is None:
            return None
        self._decoded_ms = float(self._capture.get(cv2.CAP_PROP_POS_MSEC))
        return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)  # type: ignore[no-any-return]

    def _instant(self) -> int:
        """When the decoded frame is due; containers without usable times fall back to the frame rate."""
        by_clip = self._starts_at + round(self._decoded_ms * NS_PER_MS)
        if self._sequence and by_clip <= self._last_at:
            return self._last_at + self._frame_ns
        return by_clip

    def _start_again(self) -> bool:
        if not self._settings.loop:
            return False
        self._capture.release()
        self._capture = self._open()
        self._starts_at = self._last_at + self._frame_ns
        self._next = self._decode()
        return self._next is not None
