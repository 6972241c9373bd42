"""The opened hardware of one station, for measuring: one thread, one thing at a time, and everything safe on every way out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, Self

from edge.clock import NS_PER_S
from edge.config import Station
from edge.config.actuators import ActuatorSettings
from edge.config.cameras import CameraSettings
from edge.devices.actuators import open_actuators
from edge.devices.gpio.pins import Pin, Pins, open_output, refusing
from edge.errors import CalibrationError, SorterError
from edge.interfaces import Actuator, Camera, Clock, Controls, Metered, Polled
from edge.simulate.world.world import World
from edge.station.environment import open_station_camera, open_world
from edge.types import Box, Frame


class MeasurementRig:
    """Camera, pins and actuators of a station; `world` is the simulated one behind them, None on a real station.

    The belt's relay stays off until `run_belt`. Used as a context manager: it ends with everything released.
    """

    def __init__(self, station: Station, pins: Pins, clock: Clock, world: World | None = None) -> None:
        self.station, self.clock, self.world = station, clock, world
        self.pins = pins
        self.heeds_estop = True
        self.settings: CameraSettings = station.camera
        self.camera: Camera | None = None
        self._actuators: dict[str, Actuator] | None = None
        belt = station.belt
        self._estop = self.input_pin(station.safety.estop_pin)
        self._relay: Pin | None = None
        if belt is not None and belt.run_pin is not None:
            self._relay = open_output(pins, belt.run_pin, False, "belt.run_pin")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release everything; may be called twice."""
        with suppress(SorterError):
            self.run_belt(on=False)
        self.close_actuators()
        if self.camera is not None:
            self.camera.close()
            self.camera = None

    def use(self, station: Station) -> None:
        """Go on with what has been measured by now: another region, other exposures, other times."""
        self.station = station
        self.open_camera()

    # -- camera ------------------------------------------------------------------------------------------------

    def open_camera(self, **controls: Any) -> Camera:
        """Open the camera, with other settings than the station's if any are given; what it has no setting for is left out."""
        if self.camera is not None:
            self.camera.close()
            self.camera = None
        wanted = {name: value for name, value in controls.items() if self.has_control(name)}
        self.settings = self.station.camera.with_values(**wanted)
        self.camera = open_station_camera(self.settings, self.clock, self.world)
        return self.camera

    @property
    def identity(self) -> str:
        """The camera's own name and number."""
        return (self.camera or self.open_camera()).identity

    @property
    def size(self) -> tuple[int, int]:
        return (self.camera or self.open_camera()).size

    def has_control(self, name: str) -> bool:
        """Whether this kind of camera has a setting of that name."""
        return name in type(self.station.camera).model_fields

    @property
    def controls(self) -> Controls:
        """What the camera says that the newest picture was taken with."""
        return self.camera.controls if isinstance(self.camera, Metered) else Controls()

    @property
    def gain_range(self) -> tuple[float, float]:
        """The least and the most gain that the camera has, as far as it says."""
        return getattr(self.camera or self.open_camera(), "gain_range", None) or (1.0, math.inf)

    def frame(self) -> Frame:
        """Wait for the next frame; everything else that is due meanwhile is done at its instant.

        Raises:
            CalibrationError: the source of the frames came to its end, or the emergency stop is open.
        """
        camera = self.camera or self.open_camera()
        if (next_at := getattr(camera, "next_at", None)) is not None:
            self.wait_until(next_at)
        frame = camera.read()
        self._turn()
        if frame is None:
            raise CalibrationError(
                "the camera gives no more frames: a recorded clip can't be calibrated; use a live camera"
            )
        return frame

    def frames(self, count: int) -> list[Frame]:
        return [self.frame() for _ in range(count)]

    def frames_for(self, seconds: float) -> Iterator[Frame]:
        """Yield frames until they are that many seconds younger than the first."""
        first: int | None = None
        while True:
            frame = self.frame()
            first = frame.captured_at if first is None else first
            yield frame
            if frame.captured_at - first >= seconds * NS_PER_S:
                return

    @property
    def region(self) -> Box:
        """The part of the picture that the station looks at."""
        region, (width, height) = self.station.region, self.size
        return Box(region.x, region.y, region.width or width - region.x, region.height or height - region.y)

    # -- time --------------------------------------------------------------------------------------------------

    def wait_until(self, instant: int) -> None:
        """Wait; servos rest and the simulated world moves on at their own instants."""
        while True:
            due = [at for source in self._sources() if (at := source()) is not None]
            at = min([instant, *due])
            if at > self.clock.now():
                self.clock.sleep_until(at)
            self._turn()
            if at >= instant:
                return

    def wait(self, seconds: float) -> None:
        self.wait_until(self.clock.now() + round(seconds * NS_PER_S))

    def _sources(self) -> list[Callable[[], int | None]]:
        paced = [a.next_at for a in (self._actuators or {}).values() if isinstance(a, Polled)]
        return paced if self.world is None else [*paced, self.world.next_at]

    def _turn(self) -> None:
        now = self.clock.now()
        for actuator in (self._actuators or {}).values():
            if isinstance(actuator, Polled):
                actuator.run_due(now)
        if self.world is not None:
            self.world.run_due(now)
        if self.heeds_estop and self._estop is not None and not self._estop.state:
            raise CalibrationError("the emergency stop is pressed (its chain is open): release it, then try again")

    # -- what moves --------------------------------------------------------------------------------------------

    @property
    def has_relay(self) -> bool:
        """Whether the belt can be switched from here."""
        return self._relay is not None

    def run_belt(self, *, on: bool) -> None:
        """Switch the belt's relay, where one is fitted."""
        if self._relay is not None:
            with refusing("belt.run_pin"):
                self._relay.state = on

    def actuator(self, name: str) -> Actuator:
        """Return an actuator; all of them are opened, and go to their safe position, when the first is asked for."""
        if self._actuators is None:
            self._actuators = open_actuators(self.station, self.pins, self.clock)
        return self._actuators[name]

    def replace_actuator(self, changed: ActuatorSettings) -> None:
        """Let the station go on with other settings of one actuator."""
        self.close_actuators()
        others = [changed if a.name == changed.name else a for a in self.station.actuators]
        self.station = self.station.with_values(actuators=tuple(others))

    def close_actuators(self) -> None:
        """Send all of them back; the next that is asked for opens them again, with the station's settings of then."""
        for actuator in (self._actuators or {}).values():
            with suppress(SorterError):  # the others must be released all the same
                actuator.close()
        self._actuators = None

    @contextmanager
    def fired(self, name: str, position: str) -> Iterator[int]:
        """Fire an actuator; yield the instant of the command, and release it on every way out."""
        actuator = self.actuator(name)
        try:
            commanded_at = self.clock.now()
            actuator.fire(position)
            yield commanded_at
        finally:
            actuator.release()

    # -- inputs ------------------------------------------------------------------------------------------------

    def level(self, number: int) -> bool:
        """Return the level of an input, high or low."""
        pin = self.input_pin(number)
        return bool(pin is not None and pin.state)

    def input_pin(self, number: int | None) -> Pin | None:
        """Claim an input; None where there is none."""
        if number is None:
            return None
        with refusing(f"GPIO {number}"):
            pin = self.pins.pin(number)
            pin.input_with_pull("down" if number == self.station.safety.estop_pin else "up")
            return pin


def open_rig(station: Station, clock: Clock, world: World | None = None) -> MeasurementRig:
    """Open a station's pins; a `world` may differ from what the station file says, as a real one does.

    Raises:
        ActuatorError: this is no Pi, or its pins are in use.
    """
    if world is not None:
        from edge.simulate.backend.pins import WorldPins

        return MeasurementRig(station, WorldPins(world, clock), clock, world)
    pins, world = open_world(station, clock)
    return MeasurementRig(station, pins, clock, world)
