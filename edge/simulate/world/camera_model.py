"""The camera over the simulated station: its shutter, its white balance, and the picture that it takes of what is there."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from edge.clock import NS_PER_S
from edge.config import Station
from edge.simulate.render.image_faults import gain_of, spoil
from edge.simulate.render.sensor import Optics, Sensor
from edge.simulate.world.belt import BeltScene
from edge.simulate.world.bin import VIEW_MM
from edge.simulate.world.faults import InjectedFault
from edge.simulate.world.motion import BeltMotion
from edge.simulate.world.scene import Scene
from edge.simulate.world.surroundings import Shutter, Surroundings
from edge.types import Image


@dataclass
class CameraModel:
    """Takes pictures of a scene in its surroundings; `is_active` says which faults spoil them, `lock` guards the world."""

    station: Station
    scene: Scene
    surface: BeltMotion
    surroundings: Surroundings
    is_active: Callable[[InjectedFault], bool]
    lock: threading.RLock
    started_at: int

    def __post_init__(self) -> None:
        camera, simulation = self.station.camera, self.station.simulation
        self._sensor = Sensor((camera.width, camera.height), Optics(noise=simulation.noise), simulation.seed)
        self._shutter = Shutter(simulation.exposure_ms / 1000)
        self._colour_gains: tuple[float, float] | None = None

    def set_shutter(self, exposure_us: int | None, gain: float | None) -> None:
        """Set the camera's exposure and gain; both None: automatic, which follows the lamps."""
        with self.lock:
            exposure_s = None if exposure_us is None else exposure_us / 1e6
            self._shutter = Shutter(self.station.simulation.exposure_ms / 1000, exposure_s, gain)
            if isinstance(self.scene, BeltScene):
                self.scene.set_exposure(self._shutter.open_s)

    def set_colour_gains(self, red: float | None, blue: float | None) -> None:
        """Set the camera's white balance; None: automatic, which knows the colour of the lamps."""
        with self.lock:
            self._colour_gains = None if red is None or blue is None else (red, blue)

    @property
    def mm_per_pixel(self) -> float:
        """The scale of the picture, unless the camera is hung elsewhere."""
        if self.station.belt is not None:
            return self.station.belt.mm_per_pixel
        return VIEW_MM / max(self.station.camera.width, self.station.camera.height)

    def render(self, at: int) -> Image:
        """Return what the camera takes at an instant, (height, width, 3), RGB."""
        with self.lock:
            picture = self.scene.picture(at)
            picture = self._surround(picture, at)
        self.surroundings.colour(picture, self._colour_gains)
        picture = spoil(picture, (at - self.started_at) / NS_PER_S, self.is_active)
        lamp = self.surroundings.lamp_at(at, self._shutter.open_s)
        self._sensor.expose(
            picture, at, gain_of(self.is_active) * lamp * self._shutter.brightness(self.surroundings.lamp)
        )
        return picture

    def _surround(self, picture: Image, at: int) -> Image:
        around = self.surroundings
        if around.paper is not None:
            speed = self.surface.speed_at(at) if around.paper.rides != (0, 0) else 0.0
            scale = self.mm_per_pixel
            moved = self.surface.position(at)
            around.paper.draw(picture, moved, scale, speed / scale * self._shutter.open_s)
        if around.rails_px:
            around.add_rails(picture, self.station.belt is None or self.station.belt.direction in ("right", "left"))
        return around.look(picture)
