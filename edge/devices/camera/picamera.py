"""A Raspberry Pi camera through picamera2 (libcamera)."""

from __future__ import annotations

import importlib
from contextlib import ExitStack, suppress
from typing import Any

import cv2
import numpy as np

from edge.clock import NS_PER_MS, NS_PER_S
from edge.config.cameras import Picamera2Camera
from edge.devices.camera.picamera_controls import tell_of_limits, used_controls, wanted_controls
from edge.errors import CameraClockError, CameraError, CameraStalledError, SetupError
from edge.interfaces import Clock, Controls
from edge.types import Frame, Image

# A frame is seen 60 to 150 ms after its exposure; what claims to be older, or from the future, is on another clock.
OLDEST_FRAME_NS = NS_PER_S
# picamera2 names formats by their bytes in a little-endian word: "BGR888" is R, G, B in memory.
RGB_IN_MEMORY = "BGR888"
# What all models of the Pi can give as the second stream; only the newest can give RGB there.
SMALL_FORMAT = "YUV420"
BUFFERS = 4
# Items are found in a second stream, made smaller by the image processor, that is at least so wide.
FINDING_WIDTH = 640


def _import_library() -> Any:
    try:
        return importlib.import_module("picamera2")
    except ImportError as error:
        raise SetupError(
            f"the Pi camera needs picamera2, which can't be imported ({error}): sudo apt install python3-picamera2, "
            "and make the virtual environment with --system-site-packages"
        ) from None


def finding_size(width: int, height: int) -> tuple[int, int] | None:
    """Return the size of the stream in which items are found: a half, a quarter, ... of the picture; None: the picture itself.

    Both sides are even, as its colours have half the pixels.
    """
    times = 1
    while width // (2 * times) >= FINDING_WIDTH and width % (4 * times) == 0 and height % (4 * times) == 0:
        times *= 2
    return None if times == 1 else (width // times, height // times)


class PiCamera:
    """Frames stamped with the sensor's own exposure instant; satisfies LendingCamera.

    Exposure, gain and colour gains go into the configuration, so that the very first frame has them;
    a fixed exposure alone still lets the digital gain and the white balance wander.
    """

    def __init__(self, settings: Picamera2Camera, clock: Clock, library: Any = None) -> None:
        """Open, configure and start; `library` stands in for the module picamera2.

        Raises:
            CameraError: there is no such camera, it is in use, or it does not stamp frames on the station's clock.
        """
        self._settings, self._clock = settings, clock
        self._library = library = library or _import_library()
        described = self._describe(library)
        self._identity = f"{described.get('Model', 'unknown')} {described.get('Id', settings.index)}"
        self._device: Any = None
        self._sequence = 0
        self._last_at = -1
        self._controls = Controls()
        self._finding_size = finding_size(settings.width, settings.height)
        try:
            self._device = self._open_device()
            sensor = f"{self._name()}: its sensor {self._identity.split()[0]}"
            controls = wanted_controls(settings, self._device.camera_controls, sensor)
            self._device.configure(self._configuration(controls))
            self._check_streams()
            tell_of_limits(controls, self._device.camera_controls, sensor)  # those of this size are known by now
            self._device.start()
        except (RuntimeError, OSError) as error:
            self.close()
            raise CameraError(
                f"{self._name()}: can't be started ({error}); restart the Pi, then see `dmesg`"
            ) from error
        except CameraError:
            self.close()
            raise
        self._check_time_base()

    @property
    def identity(self) -> str:
        return self._identity

    @property
    def size(self) -> tuple[int, int]:
        return self._settings.width, self._settings.height

    @property
    def controls(self) -> Controls:
        """What the sensor and the ISP report of the newest frame."""
        return self._controls

    @property
    def gain_range(self) -> tuple[float, float] | None:
        """The least and the most analogue gain that the sensor has."""
        limits = None if self._device is None else self._device.camera_controls.get("AnalogueGain")
        return None if limits is None else (float(limits[0]), float(limits[1]))

    def read(self) -> Frame | None:
        request, captured_at = self._next()
        try:
            pixels = np.ascontiguousarray(request.make_array("main")[:, :, :3], dtype=np.uint8)
            return Frame(pixels, captured_at, self._sequence, self._small(request))
        finally:
            request.release()

    def borrow(self) -> Frame | None:
        # Copying is slow there: on a Pi 4 it took 2028 x 1520 from 44 to 18 frames/s (picamera2's issue 914).
        if self._finding_size is None:
            return self.read()
        request, captured_at = self._next()
        with ExitStack() as loan:
            loan.callback(request.release)
            lent = loan.enter_context(self._library.MappedArray(request, "main", write=False)).array[:]
            lent.flags.writeable = False
            return Frame(lent, captured_at, self._sequence, self._small(request), loan.pop_all().close)

    def close(self) -> None:
        device, self._device = self._device, None
        if device is None:
            return
        # A job that timed out is still queued, and stopping would wait behind it for ever.
        cancel = getattr(device, "cancel_all_and_flush", None)
        if cancel is not None:
            cancel()
        with suppress(RuntimeError, OSError):
            device.close()

    def _open_device(self) -> Any:
        try:
            return self._library.Picamera2(self._settings.index)
        except (RuntimeError, OSError, IndexError) as error:
            cause: BaseException = error
            while cause.__cause__ is not None:
                cause = cause.__cause__
            raise CameraError(
                f"{self._name()}: can't be opened ({cause}); is another program using it? `sudo fuser -v /dev/media*` shows "
                "which; of this one the service is stopped by `sudo systemctl stop sorter`"
            ) from error

    def _describe(self, library: Any) -> dict[str, Any]:
        cameras = library.Picamera2.global_camera_info()
        if self._settings.index >= len(cameras):
            raise CameraError(
                f"{self._name()}: libcamera sees {len(cameras)} camera(s); check the ribbon cable with the Pi switched "
                "off, then `rpicam-hello --list-cameras`"
            )
        return dict(cameras[self._settings.index])

    def _configuration(self, controls: dict[str, Any]) -> Any:
        streams = {} if self._finding_size is None else {"lores": {"size": self._finding_size, "format": SMALL_FORMAT}}
        return self._device.create_video_configuration(
            main={"size": self.size, "format": RGB_IN_MEMORY},
            # What OpenCV takes YUV for; picamera2's own choice for large pictures is BT.709, in other colours.
            colour_space=self._library.libcamera.ColorSpace.Smpte170m(),
            controls=controls,
            buffer_count=BUFFERS,
            **streams,
        )

    def _check_streams(self) -> None:
        """Refuse what libcamera made of the streams that were asked for: it changes what a camera does not have."""
        streams = self._device.camera_configuration()
        width, height = streams["main"]["size"]
        given = {name: streams[name]["format"] for name in ("main", "lores") if streams.get(name)}
        wanted = {"main": RGB_IN_MEMORY, "lores": SMALL_FORMAT}
        odd = [name for name in given if given[name] != wanted[name]]
        if odd:
            raise CameraError(
                f"{self._name()}: gives {given[odd[0]]} instead of {wanted[odd[0]]}, so {self._identity} is no camera of a Pi's own "
                'connector. A USB camera: set camera.type = "v4l2"; else `rpicam-hello --list-cameras` shows the index'
            )
        if (width, height) != self.size:
            raise CameraError(
                f"{self._name()}: gives {width}x{height} instead of {self.size[0]}x{self.size[1]}; "
                f"set camera.width = {width} and camera.height = {height}"
            )

    def _check_time_base(self) -> None:
        try:
            request, captured_at = self._await()
            request.release()
        except CameraError:
            self.close()
            raise
        age = self._clock.now() - captured_at
        if not 0 <= age <= OLDEST_FRAME_NS:
            self.close()
            raise CameraClockError(
                f"{self._name()}: its frames are stamped {age / NS_PER_MS:.0f} ms before now; expected 0 to "
                f"{OLDEST_FRAME_NS // NS_PER_MS} ms on CLOCK_MONOTONIC. Was the machine suspended? Restart it"
            )

    def _next(self) -> tuple[Any, int]:
        """Wait for a request that was not handed out before, and number it; whoever asked releases it."""
        for _ in range(BUFFERS + 1):
            request, captured_at = self._await()
            if captured_at > self._last_at:
                self._last_at, self._sequence = captured_at, self._sequence + 1
                return request, captured_at
            request.release()
        raise CameraStalledError(f"{self._name()}: gives the same frame again and again; check `dmesg`")

    def _await(self) -> tuple[Any, int]:
        """Wait for the newest request, with its instant; it holds a buffer until it is released: too many stall the camera."""
        if self._device is None:
            raise CameraError(f"{self._name()}: the camera is closed")
        job = self._device.capture_request(wait=False)
        try:
            request = self._device.wait(job, timeout=self._settings.stall_ms / 1000)
        except TimeoutError:
            raise CameraStalledError(
                f"{self._name()}: no frame for {self._settings.stall_ms:g} ms; check the ribbon cable and `dmesg`"
            ) from None
        except (RuntimeError, OSError) as error:
            raise CameraError(f"{self._name()}: gives no frame ({error})") from error
        metadata = request.get_metadata()
        stamp = metadata.get("SensorTimestamp")
        if stamp is None:
            request.release()
            raise CameraClockError(
                f"{self._name()}: frames carry no SensorTimestamp, so nothing could be timed by them"
            )
        self._controls = used_controls(metadata)
        return request, int(stamp)

    def _small(self, request: Any) -> Image | None:
        """Return what the second stream shows; its rows may be padded."""
        if self._finding_size is None:
            return None
        colours = cv2.cvtColor(request.make_array("lores"), cv2.COLOR_YUV2RGB_I420)
        return np.ascontiguousarray(colours[:, : self._finding_size[0]], dtype=np.uint8)

    def _name(self) -> str:
        return f"Pi camera {self._settings.index}"
