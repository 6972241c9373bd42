"""A USB camera through OpenCV's V4L2 backend."""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2

from edge.clock import NS_PER_MS, NS_PER_S, ms
from edge.config.cameras import V4l2Camera
from edge.errors import CameraControlError, CameraError, CameraStalledError
from edge.interfaces import Clock, Controls
from edge.types import Frame

log = logging.getLogger(__name__)

OLDEST_FRAME_NS = NS_PER_S
MANUAL_EXPOSURE, AUTO_EXPOSURE = 1, 3  # V4L2_EXPOSURE_MANUAL and _APERTURE_PRIORITY, the two that UVC cameras have
# The driver hands out the oldest first: with OpenCV's usual 4, a caller that lags sees frames 130 ms old.
BUFFERS = 2
MOST_DAMAGED_FRAMES = 5
# Raw YUYV (2 bytes a pixel) beyond this does not fit USB 2 beside other traffic: ask for MJPEG.
LARGEST_RAW_BYTES_PER_S = 20_000_000


class UsbCamera:
    """Frames stamped by the driver where its stamps are on the station's clock, else with the instant of reading.

    `times_frames_itself` says which; the log says it too, because a stamp of reading is late by an
    unknown and varying age.
    """

    def __init__(
        self, settings: V4l2Camera, clock: Clock, backend: Any = cv2, links: Path = Path("/dev/v4l/by-id")
    ) -> None:
        """Open the device; `backend` stands in for the module cv2.

        Raises:
            CameraError: absent, busy, without the size or a control that is set, or silent.
        """
        self._settings, self._clock, self._backend = settings, clock, backend
        self._identity = _identity(Path(settings.device), links)
        self._sequence = 0
        self._last_at = -1
        if not Path(settings.device).exists():
            raise CameraError(
                f"{settings.device}: no such device; plug the camera in, `ls /dev/v4l/by-id/` lists what there is"
            )
        self._capture: Any = backend.VideoCapture(settings.device, cv2.CAP_V4L2)
        try:
            if not self._capture.isOpened():
                raise CameraError(f"{settings.device}: {self._why_closed()}")
            self._set_up()
            self._await_frame(first=True)
            self.times_frames_itself = self._check_time_base()
        except CameraError:
            self.close()
            raise

    @property
    def identity(self) -> str:
        return self._identity

    @property
    def size(self) -> tuple[int, int]:
        return self._settings.width, self._settings.height

    @property
    def controls(self) -> Controls:
        """What the driver reports now, of what is set by hand; an automatic's own values are not to be had."""
        settings = self._settings
        if self._capture is None:
            return Controls()

        def current(wanted: float | None, control: int, unit: float = 1.0) -> float | None:
            value = float(self._capture.get(control)) if wanted is not None else -1.0
            return value * unit if value >= 0 else None  # OpenCV says -1 for a control that is not there

        return Controls(
            exposure_us=current(settings.exposure_us, cv2.CAP_PROP_EXPOSURE, 100.0),
            gain=current(settings.gain, cv2.CAP_PROP_GAIN),
            white_balance_k=current(settings.white_balance_k, cv2.CAP_PROP_WB_TEMPERATURE),
        )

    def read(self) -> Frame | None:
        if self._capture is None:
            raise CameraError(f"{self._settings.device}: the camera is closed")
        pixels = self._retrieve()
        stamp = round(self._capture.get(cv2.CAP_PROP_POS_MSEC) * NS_PER_MS)
        captured_at = stamp if self.times_frames_itself and self._is_plausible(stamp) else self._clock.now()
        self._last_at = captured_at = max(captured_at, self._last_at + 1)
        self._sequence += 1
        return Frame(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), captured_at, self._sequence)

    def _retrieve(self) -> Any:
        """Take the next frame that can be decoded; a loose cable damages one now and then."""
        for _ in range(MOST_DAMAGED_FRAMES):
            self._await_frame()
            ok, pixels = self._capture.retrieve()
            if ok and pixels is not None and pixels.shape[1::-1] == self.size:
                return pixels
            log.warning("%s gave a frame that can't be decoded", self._settings.device)
        raise CameraError(
            f"{self._settings.device}: {MOST_DAMAGED_FRAMES} frames running can't be decoded; is the cable loose?"
        )

    def close(self) -> None:
        if self._capture is not None:
            self._capture.release()
            self._capture = None

    def _set_up(self) -> None:
        settings, put = self._settings, self._capture.set
        if settings.width * settings.height * 2 * settings.frames_per_s > LARGEST_RAW_BYTES_PER_S:
            put(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        put(cv2.CAP_PROP_FRAME_WIDTH, settings.width)
        put(cv2.CAP_PROP_FRAME_HEIGHT, settings.height)
        put(cv2.CAP_PROP_FPS, settings.frames_per_s)
        put(cv2.CAP_PROP_BUFFERSIZE, BUFFERS)
        got = tuple(int(self._capture.get(key)) for key in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        if got != self.size:
            raise CameraError(
                f"{settings.device}: gives {got[0]}x{got[1]} instead of {self.size[0]}x{self.size[1]}; "
                f"`v4l2-ctl -d {settings.device} --list-formats-ext` shows what it has"
            )
        self._fix("exposure_us", settings.exposure_us, cv2.CAP_PROP_AUTO_EXPOSURE, cv2.CAP_PROP_EXPOSURE)
        self._fix("white_balance_k", settings.white_balance_k, cv2.CAP_PROP_AUTO_WB, cv2.CAP_PROP_WB_TEMPERATURE)
        if settings.exposure_us is not None:
            put(cv2.CAP_PROP_AUTOFOCUS, 0)  # a lens that hunts changes the scale; many have none, and say so
        if settings.gain is not None and not put(cv2.CAP_PROP_GAIN, settings.gain):
            raise CameraControlError(f"{settings.device}: has no gain control; remove camera.gain")

    def _fix(self, key: str, value: int | None, automatic: int, control: int) -> None:
        """Set a control by hand, or leave it to the camera's automatic where no value is given."""
        is_exposure = control == cv2.CAP_PROP_EXPOSURE
        if value is None:
            self._capture.set(automatic, AUTO_EXPOSURE if is_exposure else 1)
            return
        self._capture.set(automatic, MANUAL_EXPOSURE if is_exposure else 0)
        # V4L2 counts exposure in 100 microseconds.
        if not self._capture.set(control, max(1, round(value / 100)) if is_exposure else value):
            raise CameraControlError(f"{self._settings.device}: does not let {key} be set; remove camera.{key}")

    def _await_frame(self, first: bool = False) -> None:
        """Wait until the driver has a frame and take it out.

        The first grab starts the stream (with OpenCV's own limit of 10 s); from then on `waitAny` grabs, with
        the limit that is set.
        """
        try:
            if first:
                ready = self._capture.grab()
            else:
                # Not the first value: it is true as well for a device that has only hung up.
                _, numbers = self._backend.VideoCapture.waitAny([self._capture], ms(self._settings.stall_ms))
                ready = len(numbers) > 0
        except cv2.error:
            raise CameraError(f"{self._settings.device}: the device is gone; check the USB cable and `dmesg`") from None
        if not ready:
            raise CameraStalledError(
                f"{self._settings.device}: no frame for {self._settings.stall_ms:g} ms; check the USB cable and `dmesg`"
            )

    def _check_time_base(self) -> bool:
        stamp = round(self._capture.get(cv2.CAP_PROP_POS_MSEC) * NS_PER_MS)
        if self._is_plausible(stamp):
            log.info("%s stamps its frames on the monotonic clock", self._settings.device)
            return True
        log.warning(
            "%s does not stamp its frames on the monotonic clock: they are timed when they are read, "
            "so calibrate the camera's delay or use another camera for a fast belt",
            self._settings.device,
        )
        return False

    def _is_plausible(self, stamp: int) -> bool:
        return self._last_at < stamp and 0 <= self._clock.now() - stamp <= OLDEST_FRAME_NS

    def _why_closed(self) -> str:
        device = Path(self._settings.device)
        try:
            device.open("rb").close()
        except PermissionError:
            return "not allowed; sudo usermod -aG video $USER, then log in again"
        except OSError as error:
            return f"can't be opened ({error.strerror})"
        return "is no camera, or another program uses it"


def _identity(device: Path, links: Path) -> str:
    """Model and serial number as udev writes them into /dev/v4l/by-id, else the name that the driver gives."""
    with suppress(OSError):
        target = device.resolve()
        for link in sorted(links.iterdir()):
            if link.resolve() == target:
                return link.name
        return f"{Path('/sys/class/video4linux', target.name, 'name').read_text('utf-8').strip()} {device}"
    return str(device)
