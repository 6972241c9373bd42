"""Found before the real picamera2, which it loads, bends to libcamera's virtual cameras and leaves in its own place.

A virtual camera gives NV12 only, has no raw stream, and takes buffers of two planes. What a Pi's image processor does
with the pixels (RGB for the large stream, YUV420 for the small one) is done here by a callback that picamera2 calls for each
request before anybody gets it, in the camera's own buffers. All else is the real library's: configuration, requests,
jobs, threads, allocator, mapped arrays, controls, closing.

With VIRTUAL_CONTROLS=FILE the camera has the controls of a Camera Module 3 as well. They change nothing; what libcamera is given at
each start stands in the file, one line of JSON each.
"""

import importlib
import json
import os
import sys
import types
from pathlib import Path
from typing import Any, ClassVar

HERE = str(Path(__file__).parent)
# Of picamera2's preview on a display and its raw files, which nobody here asks for; neither has a wheel.
UNUSED = ("pykms", "pidng", "pidng.core", "pidng.camdefs")


class _Unused(types.ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self


def _load_real() -> Any:
    for name in UNUSED:
        sys.modules[name] = _Unused(name)
    del sys.modules["picamera2"]
    others, sys.path[:] = list(sys.path), [folder for folder in sys.path if folder != HERE]
    try:
        return importlib.import_module("picamera2")
    finally:
        sys.path[:] = others


real = _load_real()
cv2 = importlib.import_module("cv2")
libcamera = importlib.import_module("libcamera")
DmaAllocator = importlib.import_module("picamera2.allocators").DmaAllocator


class TwoPlanes:
    """libcamera.FrameBuffer with NV12's two planes, brightness and then colours, at the start of its memory."""

    Plane = libcamera.FrameBuffer.Plane
    # By the length of the memory: of how much of it the planes take.
    taken: ClassVar[dict[int, int]] = {}

    def __new__(cls, planes: Any) -> Any:
        (brightness,) = planes
        taken, colours = cls.taken[brightness.length], cls.Plane()
        colours.fd = brightness.fd
        brightness.length, colours.offset, colours.length = taken * 2 // 3, taken * 2 // 3, taken // 3
        return libcamera.FrameBuffer([brightness, colours])


class RoomForRgb(DmaAllocator):
    """The library's allocator of dma-heap memory; the large stream's is twice as long, as RGB takes twice of NV12."""

    def allocate(self, libcamera_config: Any, use_case: Any) -> None:
        streams = []
        for number, given in enumerate(libcamera_config):
            length = given.frame_size * (2 if number == 0 else 1)
            TwoPlanes.taken[length] = given.frame_size
            streams.append(
                types.SimpleNamespace(stream=given.stream, buffer_count=given.buffer_count, frame_size=length)
            )
        super().allocate(streams, use_case)


sys.modules["picamera2.allocators.dmaallocator"].libcamera = types.SimpleNamespace(FrameBuffer=TwoPlanes)


# The least, the most and the usual value.
CAMERA_MODULE_3 = {
    "AeEnable": (False, True, True),
    "ExposureTime": (26, 220_417_486, 20_000),
    "AnalogueGain": (1.122807, 16.0, 1.0),
    "AwbEnable": (False, True, None),
    "ColourGains": (0.0, 32.0, None),
}
# Two of libcamera's since 0.5, which this picamera2 sets by itself; here another one of the same type.
SINCE_0_5 = ("ExposureTimeMode", "AnalogueGainMode")
GIVEN = os.environ.get("VIRTUAL_CONTROLS")
for name in SINCE_0_5 if GIVEN else ():
    if not hasattr(libcamera.controls, name):
        setattr(libcamera.controls, name, libcamera.controls.AeExposureMode)


def _sensor() -> dict[str, Any]:
    return {
        name: (
            getattr(libcamera.controls, name),
            types.SimpleNamespace(min=limits[0], max=limits[1], default=limits[2]),
        )
        for name, limits in (CAMERA_MODULE_3.items() if GIVEN else ())
    }


class Picamera2(real.Picamera2):  # type: ignore[misc]
    """The library's own class on a virtual camera."""

    converts = True  # False: the formats stay the camera's

    def __init__(self, camera_num: int = 0, **others: Any) -> None:
        super().__init__(camera_num, allocator=RoomForRgb(), **others)
        self.pre_callback = self._convert if self.converts else None

    @property
    def camera_ctrl_info(self) -> dict[str, Any]:
        return self._advertised

    @camera_ctrl_info.setter
    def camera_ctrl_info(self, known: dict[str, Any]) -> None:
        self._advertised = {**_sensor(), **known}

    def start_(self) -> None:
        if GIVEN:
            given = self.controls.get_libcamera_controls()
            line = {one.name: [str(one.type).removeprefix("ControlType."), value] for one, value in given.items()}
            with Path(GIVEN).open("a") as lines:
                lines.write(json.dumps(line) + "\n")
        super().start_()

    def _get_raw_modes(self) -> Any:
        size = self.camera.generate_configuration([libcamera.StreamRole.Viewfinder]).at(0).size
        return [{"format": "SBGGR8", "size": (size.width, size.height)}]

    def configure_(self, camera_config: Any) -> None:
        wanted = {name: camera_config[name]["format"] for name in ("main", "lores") if camera_config[name]}
        super().configure_(camera_config)
        for name, pixels in wanted.items() if self.converts else ():
            stream = self.camera_config[name]
            stream["format"] = pixels
            if pixels == "BGR888":
                stream["stride"], stream["framesize"] = 3 * stream["size"][0], 2 * stream["framesize"]

    def _convert(self, request: Any) -> None:
        for name in ("main", "lores"):
            stream = self.camera_config[name]
            if stream is None:
                continue
            width, height = stream["size"]
            with real.MappedArray(request, name, reshape=False) as mapped:
                pixels = _of_jpeg(mapped.array[: width * height * 3 // 2], width, height)
                if stream["format"] != "BGR888":
                    pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2YUV_I420)
                mapped.array[:] = pixels.reshape(-1)


def _of_jpeg(planes: Any, width: int, height: int) -> Any:
    """RGB of NV12 whose levels are a JPEG's, 0 to 255."""
    brightness = planes[: width * height].reshape(height, width)
    colours = planes[width * height :].reshape(height // 2, width // 2, 2)
    blue, red = cv2.split(cv2.resize(colours, (width, height), interpolation=cv2.INTER_NEAREST))
    return cv2.cvtColor(cv2.merge((brightness, red, blue)), cv2.COLOR_YCrCb2RGB)


real.Picamera2 = Picamera2
