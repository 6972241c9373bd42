"""What picamera2 offers of what the product uses: its signatures, and what comes out of its methods.

`used` is run here with the real library, and outside with the imitation that the everyday tests have.
"""

import inspect
from typing import Any

METHODS = (
    "__init__", "global_camera_info", "create_video_configuration", "configure", "camera_configuration", "start",
    "capture_request", "wait", "cancel_all_and_flush", "close",
)  # fmt: skip
REQUEST_METHODS = ("make_array", "get_metadata", "release")
SIZE, SMALL = (1280, 960), (640, 480)


def signatures(picamera2: type, request: type, mapped_array: type) -> dict[str, list[list[Any]]]:
    """By class and method: the parameters' names, kinds, and whether they may be left out."""
    wanted = [(picamera2, METHODS), (request, REQUEST_METHODS), (mapped_array, ("__init__", "__enter__", "__exit__"))]
    return {
        f"{number}.{name}": [
            [one.name, one.kind.name, one.default is not one.empty]
            for one in inspect.signature(getattr(offers, name)).parameters.values()
            if one.name != "self"
        ]
        for number, (offers, names) in enumerate(wanted)
        for name in names
    }


def _shape(array: Any) -> list[Any]:
    return [str(array.dtype), list(array.shape)]


def used(library: Any) -> dict[str, Any]:
    """Take one frame of two streams; what every step gave, as types, shapes and keys."""
    (info,) = library.Picamera2.global_camera_info()
    device = library.Picamera2(0)
    found: dict[str, Any] = {"info": {key: type(info[key]).__name__ for key in ("Model", "Id", "Num")}}
    limits = device.camera_controls["FrameDurationLimits"]
    found["limits"] = [type(limits).__name__, len(limits), type(limits[0]).__name__]
    configuration = device.create_video_configuration(
        main={"size": SIZE, "format": "BGR888"},
        lores={"size": SMALL, "format": "YUV420"},
        colour_space=library.libcamera.ColorSpace.Smpte170m(),
        controls={"FrameDurationLimits": (33333, 33333)},
        buffer_count=4,
    )
    found["configured"] = device.configure(configuration)
    streams = device.camera_configuration()
    found["streams"] = {name: [list(streams[name]["size"]), streams[name]["format"]] for name in ("main", "lores")}
    found["started"] = device.start()
    request = device.wait(device.capture_request(wait=False), timeout=5.0)
    found["arrays"] = {name: _shape(request.make_array(name)) for name in ("main", "lores")}
    found["stamp"] = type(request.get_metadata()["SensorTimestamp"]).__name__
    with library.MappedArray(request, "main", write=False) as mapped:
        found["mapped"] = [*_shape(mapped.array), bool((mapped.array == request.make_array("main")).all())]
    found["released"] = request.release()
    found["closed"] = [device.cancel_all_and_flush(), device.close(), device.close()]
    try:
        library.Picamera2(7)
    except (IndexError, RuntimeError) as error:
        found["absent"] = type(error).__name__
    return found


if __name__ == "__main__":
    import picamera2
    from asked import answer
    from picamera2.picamera2 import Picamera2

    answer(
        used=used(picamera2),
        signatures=signatures(Picamera2, picamera2.CompletedRequest, picamera2.MappedArray),
    )
