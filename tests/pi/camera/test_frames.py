"""The real picamera2 and libcamera give the product frames, in both streams, at the instants at which they were taken.

Real: picamera2 0.3.38 as published, and libcamera 0.4.0 of Debian 13 with its virtual pipeline handler, which plays JPEGs;
Python 3.13 and apt's NumPy 2.2; the product's wheel, installed by the commands of docs/install.md. Bent: a virtual
camera gives NV12 at no rate of its own, so tests/support/pi/virtual_camera turns it into the formats that a Pi's image
processor gives and paces it, and takes memory for its buffers from memfds. There is no sensor, lens, or image processor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from support.pi.camera_root import CameraRoot

Proven = Callable[..., None]
MANY = 2000


def test_both_streams_show_the_same_instant(square: CameraRoot, proven: Proven) -> None:
    seen: dict[str, Any] = square.ask("frames", "1280", "960", "300")
    assert seen["shapes"] == [[[960, 1280, 3], [480, 640, 3]]]
    pairs = [pair for pair in seen["places"] if None not in pair]
    assert len(pairs) > 150
    assert all(large == pytest.approx(small, abs=4 / 640) for large, small in pairs)
    moves = [after[0] - before[0] for before, after in pairwise(pairs)]
    assert max(moves) > 0.01  # the picture is no still
    proven(
        "Frames of the real picamera2 come in two streams, RGB of 1280 x 960 lent from the camera's own buffer and YUV420 "
        "of 640 x 480, which show the same instant",
        frames=len(pairs),
    )


def test_frames_are_stamped_on_the_station_s_clock(square: CameraRoot, proven: Proven) -> None:
    seen: dict[str, Any] = square.ask("frames", "640", "480", "300")
    assert seen["shapes"] == [[[480, 640, 3], None]]
    assert seen["strictly_newer"]
    assert 0 <= seen["age_ms"]["least"] <= seen["age_ms"]["median"] < 200
    assert 10 < seen["rate"] < 31
    assert 0 <= seen["age_after_pause_ms"] < 500
    proven(
        "SensorTimestamp of the real library is an instant of the station's own clock, each frame is newer than the one before, "
        "and after a pause of 1.5 s the next one is no old one",
        frames=300,
        age_after_pause_ms=round(seen["age_after_pause_ms"], 1),
        median_age_ms=round(seen["age_ms"]["median"], 1),
        rate_per_s=round(seen["rate"], 1),
    )


def test_buffers_are_given_back_for_thousands_of_frames(square: CameraRoot, proven: Proven) -> None:
    fast = replace(square, frame_us=2_000)
    seen: dict[str, Any] = fast.ask("frames", "1280", "960", str(MANY), timeout_s=240)
    assert seen["strictly_newer"]
    assert len(seen["descriptors"]) == MANY // 100
    assert len(set(seen["descriptors"])) == 1
    proven("Lent buffers of the real camera are given back: descriptors stay the same", frames=MANY)
