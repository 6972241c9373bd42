"""The camera over the simulated station."""

from __future__ import annotations

from edge.clock import NS_PER_S, ms
from edge.config.cameras import SimulatedCamera as Settings
from edge.errors import CameraError, CameraStalledError
from edge.interfaces import Clock, Controls
from edge.simulate.world.faults import InjectedFault
from edge.simulate.world.world import World
from edge.types import Frame, Image

OTHER_CLOCK_NS = 3600 * NS_PER_S


class SimulatedCamera:
    """Takes a picture every period of the frame rate and hands it out when it is `age_ms` old.

    Like a real camera it waits for nobody: what was not fetched in time is lost (`dropped`).
    """

    def __init__(self, world: World, clock: Clock, settings: Settings | None = None) -> None:
        settings = settings or _settings(world)
        self.dropped = 0
        self._world = world
        self._clock = clock
        self._size = (settings.width, settings.height)
        self._period = NS_PER_S / settings.frames_per_s
        self._age = ms(world.station.simulation.frame_age_ms)
        self._number = self._newest(clock.now()) + 1
        self._last: Image | None = None
        self._settings = settings
        world.camera.set_shutter(settings.exposure_us, settings.gain)
        world.camera.set_colour_gains(settings.red_gain, settings.blue_gain)
        self._check_there()

    @property
    def identity(self) -> str:
        return f"simulated {self._size[0]}x{self._size[1]} of station {self._world.station.name}"

    @property
    def size(self) -> tuple[int, int]:
        return self._size

    @property
    def controls(self) -> Controls:
        settings = self._settings
        return Controls(settings.exposure_us, settings.gain, red_gain=settings.red_gain, blue_gain=settings.blue_gain)

    @property
    def next_at(self) -> int:
        """The instant at which the next frame can be read."""
        return self._captured_at(self._number) + self._age

    def read(self) -> Frame:
        """Wait for the next frame, leaving out those that are past.

        Raises:
            CameraError: it was unplugged, or gives no more frames.
        """
        newest = self._newest(self._clock.now() - self._age)
        if newest > self._number:
            self.dropped += newest - self._number
            self._number = newest
        self._clock.sleep_until(self.next_at)
        self._world.run_due(self._clock.now())
        self._check_there()
        captured_at = self._captured_at(self._number)
        self._number += 1
        if self._last is None or not self._world.is_active(InjectedFault.CAMERA_FROZEN):
            self._last = self._world.camera.render(captured_at)
        if self._world.is_active(InjectedFault.CAMERA_CLOCK):
            captured_at += OTHER_CLOCK_NS
        return Frame(self._last, captured_at, self._number)

    def close(self) -> None:
        """Nothing to give back."""

    def _check_there(self) -> None:
        if self._world.is_active(InjectedFault.CAMERA_LOST):
            raise CameraError("the simulated camera is unplugged: wait for the end of the fault, or end it")
        if self._world.is_active(InjectedFault.CAMERA_STALLED):
            raise CameraStalledError(
                "the simulated camera gives no more frames: wait for the end of the fault, or end it"
            )

    def _captured_at(self, number: int) -> int:
        return self._world.started_at + round(number * self._period)

    def _newest(self, at: int) -> int:
        """Number of the newest frame that was taken by `at`."""
        return int((at - self._world.started_at) / self._period)


def _settings(world: World) -> Settings:
    """Return the camera of a station that may be described with another one."""
    camera = world.station.camera
    size = camera.width, camera.height
    if isinstance(camera, Settings):
        return camera
    return Settings(type="simulated", width=size[0], height=size[1], frames_per_s=camera.frames_per_s)
