"""What is in front of the camera: a belt or a bin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from edge.config import Station
from edge.simulate.render.photo_stock import SHIPPED, PhotoLibrary, find_photos
from edge.simulate.render.view import belt_view
from edge.simulate.world.belt import BeltScene
from edge.simulate.world.bin import BinScene
from edge.simulate.world.event_queue import EventQueue
from edge.simulate.world.flap import Flap
from edge.simulate.world.input_pins import InputPins
from edge.simulate.world.motion import BeltMotion
from edge.simulate.world.traffic import Load, Traffic
from edge.simulate.world.truth import TrueItem
from edge.types import Image


class Scene(Protocol):
    """Things that lie, move and fall; see `BeltScene` for the attributes."""

    items: list[TrueItem]
    blocked: bool

    def picture(self, at: int) -> Image:
        """Return the light that falls on the camera's sensor at an instant, (height, width, 3), RGB."""
        ...

    def label_at(self, point: tuple[float, float], at: int) -> str:
        """Return the label of the item nearest to a point (x, y) of the picture at an instant; empty if there is none."""
        ...

    def stop_feeding(self) -> None:
        """Let nothing more come; what is there goes its way."""
        ...

    def resume_feeding(self, at: int) -> None:
        """Let things come again."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of which there are photos, those last of which things come only by `put`."""
        ...

    def put(self, label: str, at: int) -> None:
        """Let one item of a label come now."""
        ...

    def clear(self) -> None:
        """Take away everything that lies there."""
        ...

    def flap_moved(self, name: str, at: int) -> None:
        """Take notice that an actuator has been told to move."""
        ...


def build_scene(
    station: Station,
    surface: BeltMotion,
    flaps: Mapping[str, Flap],
    events: EventQueue,
    input_pins: InputPins,
    start: int,
) -> Scene:
    """Return the scene of a station; its sensors are on those wires.

    Raises:
        ConfigError: there are no photos, or more items are asked for than fit.
    """
    simulation = station.simulation
    shown = {} if simulation.shown_photos is None else find_photos(simulation.shown_photos)
    library = PhotoLibrary(find_photos(simulation.photos or SHIPPED), shown)
    if station.belt is None:
        return BinScene(station, library, flaps, events, input_pins, start)
    view = belt_view(station)
    traffic = Traffic(Load.of(station), view, library, station.belt.speed_mm_per_s, simulation.seed)
    return BeltScene(station, surface, traffic, flaps, events, input_pins)
