"""A recorded clip as a camera: its own size, its own timing."""

from __future__ import annotations

import logging
import os
from typing import Any

import cv2

from edge.clock import NS_PER_MS, NS_PER_S
from edge.config.cameras import VideoCamera
from edge.errors import CameraError
from edge.interfaces import Clock
from edge.types import Frame, Image

log = logging.getLogger(__name__)

# After so many frames in a row that can't be decoded the clip is at its end, whatever its header says of its length.
MOST_PASSED_OVER = 3000
# A header that says less than this more than there was is only rounded, or estimated.
SHORT_BY_S = 0.5


class ClipCamera:
    """Plays a video file in real time of the station's clock.

    `captured_at` is the instant of opening plus the frame's own presentation time, so that a clip
    with a variable frame rate keeps its speeds.

    Frames that can't be decoded (a bad block of a card, a cut-off copy) are passed over, and `passed_over` says how many;
    those behind them keep their time.
    """

    def __init__(self, settings: VideoCamera, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._capture: Any = self._open()
        rate = float(self._capture.get(cv2.CAP_PROP_FPS))
        self._frame_ns = round(NS_PER_S / (rate if 0 < rate <= 1000 else settings.frames_per_s))
        self._stated = float(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self._decoded_ms, self._decoded, self._is_first_round = 0.0, 0, True
        self.passed_over = 0
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
        # What can't be decoded is told once, in a sentence, and not by ffmpeg for each of its blocks.
        os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "8")
        capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        if not capture.isOpened():
            raise CameraError(f"{path}: not a video that can be opened; expected MP4, MKV, AVI, MOV, WebM or GIF")
        return capture

    def _decode(self) -> Image | None:
        """Decode one frame ahead, so that the end is known before anybody waits for it; None: the end."""
        before_ms = self._decoded_ms
        for failed in range(1 + self._most_failures()):
            ok, pixels = self._capture.read()
            if not ok or pixels is None:
                continue
            self._decoded += 1
            self._decoded_ms = float(self._capture.get(cv2.CAP_PROP_POS_MSEC))
            if failed:
                self._note(failed, before_ms)
            return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)  # type: ignore[no-any-return]
        self._look_for_more(before_ms)
        return None

    def _look_for_more(self, end_ms: float) -> None:
        """At the end, compare with the header: of a damaged clip some frames vanish without a failure."""
        missing = round(self._stated) - self._decoded - self.passed_over
        short_by_s = (self._stated - 1) * self._frame_ns / NS_PER_S - end_ms / 1000
        if self._decoded and missing > 0 and (self.passed_over or short_by_s > SHORT_BY_S):
            self._note(missing, end_ms if short_by_s > SHORT_BY_S else None)

    def _most_failures(self) -> int:
        """How many frames in a row may fail before that is the end: as many as the header says are still to come."""
        left = self._stated - self._decoded
        return int(min(max(left, 1), MOST_PASSED_OVER)) if self._stated > 0 else MOST_PASSED_OVER

    def _note(self, frames: int, after_ms: float | None) -> None:
        if self._is_first_round:
            self.passed_over += frames
            what = f"{frames} frames after {after_ms / 1000:.1f} s" if after_ms is not None else f"{frames} more frames"
            log.warning("%s: %s can't be decoded and are passed over; the file is damaged", self._settings.path, what)

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
        self._decoded_ms, self._decoded, self._is_first_round = 0.0, 0, False
        self._starts_at = self._last_at + self._frame_ns
        self._next = self._decode()
        return self._next is not None
