"""The controls that the product sets are libcamera's, by name and type, and `sorter calibrate camera` ends with them.

A virtual camera has none of them. For these tests it is given those of a Camera Module 3, with that sensor's limits; they are checked
and converted by the real picamera2 and libcamera 0.4.0, and change nothing in the picture.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cv2
import pytest
from support.pi.camera_root import SORTER, CameraRoot, play
from support.stations import make_station, write_station

from edge.clock import VirtualClock
from edge.simulate.backend.camera import SimulatedCamera
from edge.simulate.world.hand import Hand
from edge.simulate.world.world import World

Proven = Callable[..., None]
GIVEN = "controls.jsonl"
STATE = "/var/lib/sorter"
TYPES = {
    "AeEnable": "Bool", "ExposureTime": "Integer32", "AnalogueGain": "Float", "AwbEnable": "Bool", "ColourGains": "Float",
    "FrameDurationLimits": "Integer64", "SensorTimestamp": "Integer64", "DigitalGain": "Float",
}  # fmt: skip

# A belt before the camera, without pins.
BELT: dict[str, Any] = {
    "name": "belt",
    "kind": "conveyor",
    "camera": {"type": "picamera2", "width": 640, "height": 480, "frames_per_s": 30},
    "belt": {"speed_mm_per_s": 250, "mm_per_pixel": 0.8},
    "bins": [{"name": "residual"}],
}


def given_to(root: CameraRoot) -> list[dict[str, list[Any]]]:
    """By name: type and value, at each start of the camera."""
    return [json.loads(line) for line in (root.cameras / GIVEN).read_text().splitlines()]


def test_every_control_is_one_of_libcamera_s_and_set_before_the_first_frame(square: CameraRoot, proven: Proven) -> None:
    (square.cameras / GIVEN).unlink(missing_ok=True)
    camera = replace(square, controls=GIVEN)
    seen = camera.ask("controls")
    assert seen["known"] == TYPES
    assert seen["gain_range"] == pytest.approx([1.122807, 16.0])
    (started,) = given_to(camera)
    assert started == {
        "AeEnable": ["Bool", False],
        "ExposureTime": ["Integer32", 2000],
        "AnalogueGain": ["Float", 4.0],
        "AwbEnable": ["Bool", False],
        "ColourGains": ["Float", [1.9, 1.6]],
        "FrameDurationLimits": ["Integer64", [33333, 33333]],
    }
    proven(
        "The controls of exposure, gain, colour and frame rate are libcamera's by name and type, and are given to it before the first frame",
        controls=len(started),
    )


@pytest.fixture(scope="module")
def sheet(tmp_path_factory: pytest.TempPathFactory) -> CameraRoot:
    """A camera that sees the printed sheet on a belt that stands."""
    clock = VirtualClock()
    world = World(make_station(BELT, camera={"type": "simulated"}), clock)
    hand = Hand(world)
    hand.clear()
    hand.lay_paper((0.5, 0.5), rides=False, turn_degrees=0.0)
    pixels = SimulatedCamera(world, clock).read().pixels
    photo = cv2.imencode(".jpg", pixels[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    folder = tmp_path_factory.mktemp("sheet")
    for name in ("state", "station"):
        (folder / name).mkdir()
    write_station(folder / "station", BELT, state_folder=STATE)
    shared = {folder / "state": STATE, folder / "station": "/etc/sorter"}
    return CameraRoot(play(folder / "cameras", [photo], [(640, 480)]), shared)


def calibrated(root: CameraRoot) -> dict[str, Any]:
    done = root.run([SORTER, "calibrate", "camera", "--yes", "--json"], 180)
    assert done.returncode == 0, done.stdout + done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_calibrating_sets_controls_within_the_sensor_s_limits(sheet: CameraRoot, proven: Proven) -> None:
    camera = replace(sheet, controls=GIVEN)
    found = calibrated(camera)
    measured, starts = found["calibration"]["camera"], given_to(camera)
    assert found["steps"]["camera"]["warnings"] == []
    assert measured["mm_per_pixel"] == pytest.approx(0.8, rel=0.01)
    assert measured["gain"] == pytest.approx(1.122807)  # the least that there is; 1 was chosen, and refused, before
    assert starts[0] == {"FrameDurationLimits": ["Integer64", [33333, 33333]]}
    assert starts[-1] == {
        **starts[0],
        "AeEnable": ["Bool", False],
        "ExposureTime": ["Integer32", measured["exposure_us"]],
        "AnalogueGain": ["Float", measured["gain"]],
        "AwbEnable": ["Bool", False],
        "ColourGains": ["Float", [measured["red_gain"], measured["blue_gain"]]],
    }
    proven(
        "`sorter calibrate camera` finds the scale of the printed sheet through the real picamera2, and locks exposure, gain and colour "
        "within the limits of the sensor",
        mm_per_pixel=round(measured["mm_per_pixel"], 4),
        true_mm_per_pixel=0.8,
        starts_of_the_camera=len(starts),
    )


def test_calibrating_a_camera_without_controls_says_what_stays_automatic(sheet: CameraRoot, proven: Proven) -> None:
    found = calibrated(sheet)
    warnings, measured = found["steps"]["camera"]["warnings"], found["calibration"]["camera"]
    assert [text.split(" be set: ")[0] for text in warnings] == [
        f"This camera does not let its {word}" for word in ("exposure", "gain", "red gain")
    ]
    assert not {"exposure_us", "gain", "red_gain", "blue_gain"} & measured.keys()
    proven(
        "A real camera that lacks a control is calibrated without it, and told what stays automatic",
        lacking=len(warnings),
    )
