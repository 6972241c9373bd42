"""What has two real implementations today: one on a Pi and one in the simulator.

Every implementation passes the same contract suite (`tests/contract/`).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from edge.types import Box, Crop, Frame, Item, Prediction


class Clock(Protocol):
    """The only source of time: integer nanoseconds that never go back."""

    def now(self) -> int:
        """Return the present instant; the same time base as `Frame.captured_at`."""
        ...

    def wall_time(self) -> float:
        """Return seconds since the epoch, for people and journals only; it may jump by years."""
        ...

    def date_is_known(self) -> bool:
        """Say whether the date was set by something that knows it (a time server) since the machine was started."""
        ...

    def was_suspended(self) -> bool:
        """Say whether the machine has slept since it was started: `now` stood still then, and the date did not."""
        ...

    def sleep_until(self, instant: int, interrupt: threading.Event | None = None) -> bool:
        """Wait for the instant; return False if `interrupt` was set before it came."""
        ...


class Camera(Protocol):
    """A source of frames of one size."""

    @property
    def identity(self) -> str:
        """Model and serial number or path: what a calibration belongs to."""
        ...

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of every frame in pixels."""
        ...

    def read(self) -> Frame | None:
        """Wait for the next frame; None at the end of a finite source.

        The frame's buffer belongs to the caller; the camera never writes into it again.

        Raises:
            CameraError: no frame came within the camera's own time limit, or the device is gone.
        """
        ...

    def close(self) -> None:
        """Give the device back; may be called twice."""
        ...


@runtime_checkable
class LendingCamera(Protocol):
    """A camera whose own buffers can be looked at, so that a large picture is copied only where items are."""

    def borrow(self) -> Frame | None:
        """Wait for the next frame as `read` does; its pixels are lent, and must be given back within one frame's time.

        Raises:
            CameraError: as `read`.
        """
        ...


@dataclass(frozen=True, slots=True)
class Controls:
    """What a camera says that it took its newest picture with; None: it does not say, or has no such thing."""

    exposure_us: float | None = None
    gain: float | None = None
    digital_gain: float | None = None
    red_gain: float | None = None
    blue_gain: float | None = None
    white_balance_k: float | None = None


@runtime_checkable
class Metered(Protocol):
    """A camera that says how it is set."""

    @property
    def controls(self) -> Controls:
        """Return what the newest picture was taken with."""
        ...


@dataclass(frozen=True, slots=True)
class Sighting:
    """Something that is being followed in the newest frame, for the page and for pictures.

    `item_id` is the Item it became; 0 as long as it has not been decided.
    """

    box: Box
    track_id: int
    settled: bool = False
    item_id: int = 0


class Trigger(Protocol):
    """Finds and follows objects; says when one of them became an Item."""

    def observe(self, frame: Frame) -> Sequence[Item]:
        """Take the next frame in; return the items that are complete with it, each exactly once."""
        ...

    def sightings(self) -> Sequence[Sighting]:
        """Return what is followed in the newest frame."""
        ...


class Classifier(Protocol):
    """A model and its runtime."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in the order of `Prediction.scores`."""
        ...

    def classify(self, crops: Sequence[Crop], budget: int) -> Prediction:
        """Look at up to `budget` crops, best first, stopping early when sure.

        Raises:
            ValueError: `crops` is empty or `budget` is less than 1.
        """
        ...

    def close(self) -> None:
        """Give back what runs the model; may be called twice."""
        ...


class Actuator(Protocol):
    """Something that moves; it is in its safe position whenever nobody fires it."""

    @property
    def name(self) -> str: ...

    @property
    def positions(self) -> tuple[str, ...]:
        """The positions it can be fired to; one empty string for an on/off actuator."""
        ...

    def fire(self, position: str) -> None:
        """Start moving to the position; returns at once.

        Raises:
            ActuatorError: the pin refused.
            ValueError: it has no such position.
        """
        ...

    def release(self) -> None:
        """Start moving back to the safe position; returns at once; may be called twice.

        Raises:
            ActuatorError: the pin refused.
        """
        ...

    def close(self) -> None:
        """Leave the pin driven at its safe level (never floating); may be called twice."""
        ...


@runtime_checkable
class Polled(Protocol):
    """An actuator with work of its own between commands: steps to make, pulses to end; the actuation thread does it."""

    def next_at(self) -> int | None:
        """Return the instant at which `run_due` has something to do; None: nothing until the next command."""
        ...

    def run_due(self, now: int) -> None:
        """Do what is due.

        Raises:
            ActuatorError: the pin refused.
        """
        ...
