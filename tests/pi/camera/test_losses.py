"""A camera of the real library that is lost, in use, absent or another than thought; see test_frames.py for what is bent."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from support.pi.camera_root import CameraRoot

Proven = Callable[..., None]
REOPENINGS = 20
# Of picamera2 0.3.38 itself: a camera that it can't open costs a descriptor, the end of a pipe that nobody closes.
LEFT_BY_PICAMERA2 = 1


def test_a_lost_camera_is_told_in_time_and_opens_again(square: CameraRoot, proven: Proven) -> None:
    lost: dict[str, dict[str, Any]] = square.ask("lost")
    for how in ("cable", "stopped", "all_lent"):
        assert "CameraStalledError: Pi camera 0: no frame for 500 ms" in lost[how]["said"]
        assert 450 < lost[how]["after_ms"] < 2000
    assert "the camera is closed" in lost["closed"]["said"]
    assert all(one["again"] for one in lost.values())
    proven(
        "A real picamera2 camera whose frames stop is told within stall_ms, closes, and opens again: cable off, stopped "
        "underneath, or all its buffers kept",
        longest_close_ms=round(max(one["closed_ms"] for one in lost.values())),
        stall_ms=500,
    )


def test_reopening_leaves_nothing(square: CameraRoot, proven: Proven) -> None:
    left = square.ask("reopened", str(REOPENINGS), timeout_s=180)
    assert len(left["descriptors"]) == REOPENINGS
    assert len(set(left["descriptors"])) == 1
    assert set(left["buffers_mb"]) == {0.0}
    proven(
        "Opening and closing the real camera again and again leaves neither descriptors nor buffers", times=REOPENINGS
    )


SAID = {
    "absent": "CameraError: Pi camera 3: libcamera sees 1 camera(s); check the ribbon cable",
    "silent": "CameraStalledError: Pi camera 0: no frame for 300 ms",
    "other_size": "CameraError: Pi camera 0: gives 1280x960 instead of 800x600; set camera.width = 1280",
    "other_format": "CameraError: Pi camera 0: gives NV12 instead of BGR888, so virtual Virtual0 is no camera of a Pi's own",
    "other_clock": "CameraClockError: Pi camera 0: its frames are stamped 3600",
    "no_exposure": "CameraControlError: Pi camera 0: its sensor virtual has no control ExposureTime: remove camera.exposure_us",
    "no_colour": "CameraControlError: Pi camera 0: its sensor virtual has no control AwbEnable, ColourGains (a monochrome one",
    "taken": "CameraError: Pi camera 0: can't be opened (Failed to acquire camera: Device or resource busy); is another program",
}


def test_a_camera_that_can_not_be_had_says_why(square: CameraRoot, proven: Proven) -> None:
    answer = square.ask("refused", "5", timeout_s=120)
    found: dict[str, dict[str, Any]] = answer["found"]
    assert found.keys() == SAID.keys()
    for how, one in found.items():
        assert all(text.startswith(SAID[how]) for text in one["said"])
        steps = {after - before for before, after in pairwise(one["descriptors"])}
        assert steps == {LEFT_BY_PICAMERA2 if how == "taken" else 0}
    assert answer["holder_reads"] == [480, 640, 3]
    proven(
        "A real camera that is absent, in use, silent, on another clock, or without the size, format or control that is set "
        "says so in one sentence, and being refused leaves its user undisturbed",
        refusals=len(SAID),
    )
