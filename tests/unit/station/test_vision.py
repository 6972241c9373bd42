"""What a camera lends is given back, whatever becomes of the frame, and a lent picture is looked at like one's own."""

from __future__ import annotations

import mmap
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
import pytest
from support.assembled import assemble_for_test
from support.moving_belt import HEIGHT, WIDTH, MovingBelt, Thing, conveyor

from edge.clock import VirtualClock
from edge.errors import CameraError
from edge.health.monitors import Observer
from edge.inference.slot import ModelAtWork
from edge.station.assembled import AssembledStation
from edge.station.vision import VisionLoop
from edge.types import Crop, Frame, Image, Prediction


def large(frame: Frame) -> Frame:
    """The frame with twice the pixels each way, and itself as the small one."""
    pixels = cv2.resize(frame.pixels, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    return Frame(np.asarray(pixels, np.uint8), frame.captured_at, frame.sequence, frame.pixels)


class OwnFrames:
    """A camera that gives its frames away."""

    def __init__(self, clock: VirtualClock, frames: Iterator[Frame]) -> None:
        self._clock, self._frames = clock, frames
        self.lent = 0
        self.identity, self.size = "drawn", (2 * WIDTH, 2 * HEIGHT)

    def read(self) -> Frame | None:
        frame = next(self._frames, None)
        if frame is None:
            return None
        self._clock.advance_to(frame.captured_at)
        return large(frame)

    def close(self) -> None:
        assert not self.lent


class LentFrames(OwnFrames):
    """A camera that writes the next picture into its only buffer as soon as it has it back."""

    def borrow(self) -> Frame | None:
        assert not self.lent, "a frame was not given back"
        frame = self.read()
        if frame is None:
            return None
        self.lent = 1

        def overwrite() -> None:
            self.lent = 0
            frame.pixels[:] = 0

        return replace(frame, give_back=overwrite)


@dataclass
class Witness:
    """A model that remembers what it was shown, and how many buffers of the camera's were held then."""

    camera: OwnFrames
    shown: list[tuple[Image, Image]] = field(default_factory=list)
    held: list[int] = field(default_factory=list)
    labels = ("glass", "metal")

    def classify(self, crops: Sequence[Crop], budget: int) -> Prediction:
        self.held.append(self.camera.lent)
        self.shown += [(crop.pixels, np.array([crop.in_frame.x, crop.in_frame.y])) for crop in crops]
        return Prediction("glass", 0.9, 0.8, self.labels, (0.9, 0.1))

    def close(self) -> None:
        pass


def run(camera_type: type[OwnFrames]) -> tuple[Witness, AssembledStation]:
    """Let three things pass; return what the model was shown, and the station."""
    settings = conveyor(
        camera={"type": "folder", "path": ".", "width": 2 * WIDTH, "height": 2 * HEIGHT}, belt={"mm_per_pixel": 0.5}
    )
    clock = VirtualClock()
    station = assemble_for_test(settings, clock)
    belt = MovingBelt([Thing(0.2), Thing(0.9, across=60, length=60), Thing(1.6, across=180)])
    camera = camera_type(clock, iter(list(belt.frames(3.5))))
    witness = Witness(camera)
    station.slot.swap(ModelAtWork(witness, {"glass": 0.5, "metal": 0.5}))
    VisionLoop(lambda: camera, station.intake, clock, threading.Event()).run()
    return witness, station


def test_a_lent_picture_is_looked_at_like_one_s_own_and_given_back_before_the_model_runs() -> None:
    own, _ = run(OwnFrames)
    lent, station = run(LentFrames)
    assert len(lent.held) == 3
    assert not any(lent.held)
    assert len(own.shown) == len(lent.shown)
    for (pixels, corner), (again, same) in zip(own.shown, lent.shown, strict=True):
        assert np.array_equal(pixels, again)
        assert np.array_equal(corner, same)
    newest = station.reporting.live.newest()
    assert newest is not None
    assert (newest.picture.shape[:2], newest.size) == ((HEIGHT, WIDTH), (2 * WIDTH, 2 * HEIGHT))
    assert newest.picture.max() > 0  # not the buffer that the camera has back


class Fails(Observer):
    """A bug in whatever is shown every frame."""

    def on_frame(self, frame: Frame, now: int) -> None:
        raise ZeroDivisionError


def test_a_frame_that_breaks_the_line_is_given_back() -> None:
    clock = VirtualClock()
    station = assemble_for_test(conveyor(), clock, observers=[Fails()])
    camera = LentFrames(clock, iter(list(MovingBelt([]).frames(0.2))))
    with pytest.raises(ZeroDivisionError):
        VisionLoop(lambda: camera, station.intake, clock, threading.Event()).run()
    assert camera.lent == 0


class MappedFrames(OwnFrames):
    """A camera that lends what the kernel mapped for it, and is lost in the end."""

    def __init__(self, clock: VirtualClock, frames: Iterator[Frame]) -> None:
        super().__init__(clock, frames)
        self.memory: mmap.mmap | None = mmap.mmap(-1, 2 * WIDTH * 2 * HEIGHT * 3)

    def borrow(self) -> Frame | None:
        frame = self.read()
        if frame is None or self.memory is None:
            raise CameraError("the cable is loose")
        lent = np.frombuffer(self.memory, np.uint8).reshape(frame.pixels.shape)
        lent[:] = frame.pixels
        return replace(frame, pixels=lent)

    def close(self) -> None:
        if self.memory is not None:
            self.memory.close()  # a BufferError as long as anybody has a view of it
            self.memory = None


@dataclass
class EndsWithCamera(Observer):
    """Stops the station when its camera is lost."""

    stop: threading.Event

    def on_camera_failed(self, error: CameraError) -> None:
        self.stop.set()


def test_a_lost_camera_gets_all_its_memory_back() -> None:
    clock, stop = VirtualClock(), threading.Event()
    station = assemble_for_test(conveyor(), clock, observers=[EndsWithCamera(stop)])
    camera = MappedFrames(clock, iter(list(MovingBelt([Thing(0.2)]).frames(1.0))))
    VisionLoop(lambda: camera, station.intake, clock, stop).run()
    assert stop.is_set()
    assert camera.memory is None
