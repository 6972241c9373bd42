"""Frozen, black, over-exposed and moved cameras, on made pictures, real clips and the simulated station."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.stations import make_station, shipped

from edge.clock import NS_PER_S, VirtualClock, ms
from edge.config.cameras import VideoCamera
from edge.devices.camera import open_camera
from edge.errors import CalibrationError
from edge.health.faults import FaultKind
from edge.health.monitors.camera import LOST_SHARE, PictureMonitor
from edge.sensing.still_view import Pattern, StillView
from edge.simulate.world.faults import InjectedFault
from edge.simulate.world.world import World
from edge.station.environment import open_station_camera
from edge.types import Frame, Image

RANDOM = np.random.default_rng(5)
WIDTH, HEIGHT = 160, 120
NOISE = [RANDOM.normal(0, 2, (HEIGHT, WIDTH, 3)).astype(np.float32) for _ in range(16)]


def make_scene() -> Image:
    """Rails, screws and edges: blobs of all kinds that stand still."""
    blobs = cv2.GaussianBlur(RANDOM.integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8), (0, 0), 3)
    return np.asarray(cv2.normalize(blobs, None, 40, 200, cv2.NORM_MINMAX), np.uint8)  # type: ignore[call-overload]


SCENE = make_scene()


def noisy(picture: Image) -> Image:
    return np.clip(picture + NOISE[RANDOM.integers(len(NOISE))], 0, 255).astype(np.uint8)


def moved(picture: Image, x: float, y: float, degrees: float = 0.0) -> Image:
    matrix = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), degrees, 1)
    matrix[:, 2] += (x, y)
    return np.asarray(cv2.warpAffine(picture, matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE), np.uint8)


def seen(watch: PictureMonitor, frame: Frame) -> set[FaultKind]:
    """Show it a frame; return what it says of it."""
    watch.on_frame(frame, frame.captured_at)
    return {kind for kind, _ in watch.faults(frame.captured_at)}


class Show:
    """Shows pictures to a watch at 5 frames a second and collects what it says."""

    def __init__(self, watch: PictureMonitor | None = None) -> None:
        self.watch = watch or PictureMonitor()
        self.count = 0

    def play(self, seconds: float, picture: Callable[[], Image]) -> set[FaultKind]:
        said: set[FaultKind] = set()
        for _ in range(round(seconds * 5)):
            self.count += 1
            said |= seen(self.watch, Frame(picture(), self.count * ms(200), self.count))
        return said

    def now(self, picture: Callable[[], Image]) -> set[FaultKind]:
        """What it says of the next picture."""
        return self.play(0.2, picture)


def test_a_healthy_picture_is_no_fault_and_shows_what_stands_still() -> None:
    show = Show()
    assert show.play(26, lambda: noisy(SCENE)) == set()
    assert show.watch.can_see_movement


def test_a_frozen_picture_is_named_after_a_second_and_forgotten_with_the_next_new_one() -> None:
    show, still = Show(), noisy(SCENE)
    assert show.play(1.0, lambda: still) == set()
    assert show.play(0.4, lambda: still) == {FaultKind.CAMERA_FROZEN}
    assert show.now(lambda: noisy(SCENE)) == set()


def test_a_source_that_repeats_itself_is_not_called_frozen() -> None:
    assert Show(PictureMonitor(can_freeze=False)).play(5, lambda: SCENE) == set()


@pytest.mark.parametrize(
    ("picture", "kind"),
    [
        (np.full((HEIGHT, WIDTH, 3), 3, np.uint8), FaultKind.CAMERA_BLACK),
        (np.full((HEIGHT, WIDTH, 3), 255, np.uint8), FaultKind.CAMERA_OVEREXPOSED),
    ],
)
def test_black_and_white_pictures_are_named_after_two_seconds(picture: Image, kind: FaultKind) -> None:
    show = Show()
    show.play(26, lambda: noisy(SCENE))
    assert show.play(2.0, lambda: picture) == set()
    assert show.play(20.0, lambda: picture) == {kind}
    assert show.now(lambda: noisy(SCENE)) == set()


def test_a_white_board_in_good_light_is_not_over_exposed() -> None:
    board = np.full((HEIGHT, WIDTH, 3), 246, np.uint8)
    assert Show().play(5, lambda: noisy(board)) == set()


def test_a_dark_belt_is_not_black() -> None:
    belt = np.full((HEIGHT, WIDTH, 3), 24, np.uint8)
    assert Show().play(5, lambda: noisy(belt)) == set()


@pytest.mark.parametrize(("x", "y", "degrees"), [(8, 0, 0), (0, -6, 0), (3, 2, 0), (0, 0, 4), (40, 30, 0)])
def test_a_moved_camera_is_named_and_stays_named_until_it_is_put_back(x: int, y: int, degrees: float) -> None:
    show, knocked = Show(), moved(SCENE, x, y, degrees)
    show.play(26, lambda: noisy(SCENE))
    assert show.play(35, lambda: noisy(knocked)) == {FaultKind.CAMERA_MOVED}
    assert show.now(lambda: noisy(knocked)) == {FaultKind.CAMERA_MOVED}
    assert show.play(26, lambda: noisy(SCENE)) <= {FaultKind.CAMERA_MOVED}
    assert show.now(lambda: noisy(SCENE)) == set()


def test_a_camera_that_shook_by_a_pixel_is_not_called_moved() -> None:
    show = Show()
    show.play(26, lambda: noisy(SCENE))
    assert show.play(35, lambda: noisy(moved(SCENE, 1, 1))) == set()


def test_light_that_changes_is_no_movement() -> None:
    show = Show()
    show.play(26, lambda: noisy(SCENE))
    assert show.play(60, lambda: noisy((SCENE * 0.5).astype(np.uint8))) == set()


def test_things_that_lie_or_pass_before_the_camera_are_no_movement() -> None:
    show = Show()
    show.play(26, lambda: noisy(SCENE))
    box = SCENE.copy()
    box[30:90, 40:110] = (200, 150, 90)
    assert show.play(60, lambda: noisy(box)) == set()
    assert show.play(10, lambda: noisy(np.full_like(SCENE, 120))) == set()  # a hand over the whole view, for 10 s


def test_along_the_grain_of_wood_a_thing_that_lies_there_is_no_movement() -> None:
    """Every shift along the grain fits alike, so that the faintest trace of a thing decides which fits best."""
    rng = np.random.default_rng(5)
    grain = np.repeat(cv2.GaussianBlur(rng.normal(0, 9, (60, 1)), (0, 0), sigmaX=1, sigmaY=1), 80, axis=1)

    def pattern(left: int, trace: float, down: int = 0) -> Pattern:
        picture = np.roll(grain, down, axis=0)
        picture[24:36, left : left + 14] += trace
        return np.asarray(picture + rng.normal(0, 0.05, (60, 80)), np.float32)

    view = StillView(pattern(0, 0.0), np.ones((6, 8), np.bool_))
    assert [view.displacement(pattern(left, trace)) for left in (10, 25, 40, 55) for trace in (2, 4, 6)] == [0.0] * 12
    assert view.lost(pattern(0, 0.0, down=4)) > LOST_SHARE


def test_a_view_in_which_nothing_stands_still_can_not_tell_and_says_so() -> None:
    show = Show()

    def running_belt() -> Image:
        return noisy(np.roll(SCENE, RANDOM.integers(WIDTH, size=2), axis=(0, 1)))

    assert show.play(60, running_belt) == set()
    assert not show.watch.can_see_movement


def test_the_view_of_the_calibration_finds_what_was_moved_while_the_power_was_off() -> None:
    show = Show()
    show.play(26, lambda: noisy(SCENE))
    assert show.watch.view is not None
    later = Show(PictureMonitor(StillView.from_bytes(show.watch.view.to_bytes())))
    assert later.play(60, lambda: noisy(moved(SCENE, 8, 0))) == {FaultKind.CAMERA_MOVED}
    again = Show(PictureMonitor(StillView.from_bytes(show.watch.view.to_bytes())))
    assert again.play(60, lambda: noisy(SCENE)) == set()


@given(st.integers(0, 3000), st.binary(min_size=1, max_size=20))
def test_a_damaged_view_is_a_calibration_error_or_a_view(at: int, damage: bytes) -> None:
    view = StillView(np.zeros((60, 80), np.float32), np.ones((6, 8), np.bool_))
    content = bytearray(view.to_bytes())
    content[at : at + len(damage)] = damage
    try:
        read = StillView.from_bytes(bytes(content))
    except CalibrationError:
        return
    assert read.pattern.shape == (60, 80)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (90, 1000), (480, 640), (1, 1), (3, 2000)])
def test_pictures_of_any_size_are_looked_at(height: int, width: int) -> None:
    pictures = [RANDOM.integers(80, 90, (height, width, 3), dtype=np.uint8) for _ in range(2)]
    show = Show()
    assert show.play(5, lambda: pictures[show.count % 2]) == set()


# -- real and simulated pictures ----------------------------------------------------------------------------------


def clip(path: Path) -> Iterator[Frame]:
    camera = open_camera(VideoCamera(type="video", path=path, loop=True), VirtualClock())
    while (frame := camera.read()) is not None:
        yield frame


def test_hands_and_bottles_on_a_real_table_are_no_fault_but_a_knocked_camera_is(data_dir: Path) -> None:
    watch, said = PictureMonitor(), set()
    frames = clip(data_dir / "clips" / "bottles.mp4")
    for _ in range(1189):
        said |= seen(watch, next(frames))
    assert said == set()
    assert watch.can_see_movement
    for _ in range(900):
        frame = next(frames)
        said |= seen(watch, Frame(np.roll(frame.pixels, 24, axis=1), frame.captured_at, frame.sequence))
    assert said == {FaultKind.CAMERA_MOVED}


@pytest.mark.parametrize("kind", ["frozen", "black", "overexposed", "moved"])
def test_every_camera_fault_of_the_simulated_bin_is_recognised_and_ends(kind: str) -> None:
    camera_table = {"type": "simulated", "width": 320, "height": 240, "frames_per_s": 5}
    station = make_station(shipped("bin-flap"), camera=camera_table)
    clock = VirtualClock()
    world = World(station, clock)
    camera, watch = open_station_camera(station.camera, clock, world), PictureMonitor()

    def run(seconds: float) -> frozenset[FaultKind]:
        until, said = clock.now() + round(seconds * NS_PER_S), frozenset[FaultKind]()
        while clock.now() < until and (frame := camera.read()) is not None:
            said = seen(watch, frame)
        return said

    assert run(25) == frozenset()
    world.disturb(InjectedFault(f"camera-{kind}"))
    assert run(40) == {FaultKind(f"camera-{kind}")}
    world.disturb(InjectedFault(f"camera-{kind}"), active=False)
    assert run(30) == frozenset()
