"""The work of the vision thread: camera -> `FrameIntake`, and the camera opened again when it was lost."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from edge.clock import ms
from edge.errors import CameraError
from edge.interfaces import Camera, Clock, LendingCamera
from edge.station.frame_intake import FrameIntake

log = logging.getLogger(__name__)

LOOK_MS = 100


class VisionLoop:
    """Takes frame after frame until `stop` is set or the camera's source ends."""

    def __init__(
        self, open_camera: Callable[[], Camera], intake: FrameIntake, clock: Clock, stop: threading.Event
    ) -> None:
        self._open_camera, self._intake, self._clock, self._stop = open_camera, intake, clock, stop
        self._reopen = threading.Event()
        self._camera: Camera | None = None

    def reopen(self) -> None:
        """Close the camera and open it anew, from any thread; returns at once."""
        self._reopen.set()

    def run(self) -> None:
        """Take frames all the way through: the body of a thread."""
        try:
            while not self._stop.is_set():
                try:
                    if self._reopen.is_set():
                        self._close()
                    self._reopen.clear()
                    self._camera = self._camera or self._open_camera()
                    frame = self._camera.borrow() if isinstance(self._camera, LendingCamera) else self._camera.read()
                except CameraError as error:
                    self._wait_after(error)
                    continue
                if frame is None:
                    log.info("the camera's source has ended")
                    return
                try:
                    self._intake.process(frame)
                finally:
                    frame.give_back()
                    # A picture that somebody can still look at would keep a lost camera's buffers when it is closed.
                    del frame
        finally:
            self._close()

    def _wait_after(self, error: CameraError) -> None:
        self._intake.camera_failed(error)
        self._close()
        while not (self._stop.is_set() or self._reopen.is_set()):
            self._clock.sleep_until(self._clock.now() + ms(LOOK_MS), self._stop)

    def _close(self) -> None:
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.close()
