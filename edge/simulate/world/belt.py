"""The simulated conveyor: items ride on it, and flaps in their way push them off."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from edge.clock import ms
from edge.config import RESIDUAL, Station
from edge.simulate.render.arm import draw_arm
from edge.simulate.render.exact import smeared
from edge.simulate.render.sprite import Smear, Sprite
from edge.simulate.render.texture import LENGTH_PX, build_strip
from edge.simulate.render.view import View, belt_view
from edge.simulate.world.event_queue import EventQueue
from edge.simulate.world.flap import CLEAR, IN_PATH, Flap
from edge.simulate.world.input_pins import InputPins
from edge.simulate.world.motion import BeltMotion
from edge.simulate.world.traffic import Arrival, Traffic
from edge.simulate.world.truth import SPILLED, TrueItem
from edge.types import Image

FALL_NS: Final = ms(180)
"""From leaving the belt to lying in the bin."""
_TAIL_MM: Final = 150.0  # from the last diverter to the end of the belt
_ARM_MM: Final = 70.0  # of a diverter that is in view
_ENTRY_MM: Final = 60.0  # items are laid on this far before the view, so that shadow and blur come in gradually


@dataclass(frozen=True)
class Gate:
    """A diverter: at `distance_mm` from the start of the view its flap sends items into the bin."""

    distance_mm: float
    actuator: str
    position: str
    bin: str


@dataclass
class BeltItem:
    """An item on the belt; `front_mm` is the belt position at which its front is at the start of the view."""

    truth: TrueItem
    sprite: Sprite
    front_mm: float
    top_px: int
    jammed: bool = False


@dataclass(frozen=True)
class Exposure:
    """How long the shutter is open, and how long it takes from the first row to the last; seconds."""

    exposure_s: float
    readout_s: float


class BeltScene:
    """Everything on and at the belt.

    Attributes:
        items: every item so far, in the order of arrival.
        riders: those on the belt.
        blocked: what is diverted gets stuck.
    """

    def __init__(
        self,
        station: Station,
        motion: BeltMotion,
        traffic: Traffic,
        flaps: Mapping[str, Flap],
        events: EventQueue,
        input_pins: InputPins,
    ) -> None:
        """`wires` are told what leaves the belt (a bin, or SPILLED), and what breaks the light beam."""
        simulation = station.simulation
        self.view = view = belt_view(station)
        self.motion = motion
        self.flaps = flaps
        self.gates = _gates(station, view)
        self.on_belt: list[BeltItem] = []
        self.items: list[TrueItem] = []
        self.blocked = False
        self._wires = input_pins
        self._beam_mm = None if station.sensing.beam_pin is None else view.line_mm - station.sensing.beam_to_line_mm
        self._in_beam = 0
        self._traffic, self._feeding = traffic, True
        self._awaited = False
        self._events = events
        self._exposure = Exposure(simulation.exposure_ms / 1000, 0.012)
        self._end_mm = max((gate.distance_mm for gate in self.gates), default=view.line_mm) + _TAIL_MM
        self._arms = tuple(gate for gate in self.gates if gate.distance_mm < view.along_mm)
        self._strip = build_strip(simulation.texture, view.across_px, simulation.seed)
        self._surfaces: dict[float, Image] = {}
        self._expect_next()

    # -- what happens ------------------------------------------------------------------------------------------

    def stop_feeding(self) -> None:
        """Lay nothing more on the belt; what is on it goes its way."""
        self._feeding = False

    def resume_feeding(self, at: int) -> None:
        """Lay items on the belt again, the next one at its start."""
        self._feeding = True
        if not self._awaited:
            self._expect_next(self.motion.position(at))

    @property
    def labels(self) -> tuple[str, ...]:
        return self._traffic.labels

    def put(self, label: str, at: int) -> None:
        """Lay an item of a label on the belt, just before the view."""
        self.lay(self._traffic.one(label, self.motion.position(at) + _ENTRY_MM))

    def clear(self) -> None:
        """Take everything off the belt."""
        self.on_belt.clear()
        if self._in_beam:
            self._in_beam = 0
            self._wires.beam(broken=False)

    def set_exposure(self, exposure_s: float) -> None:
        """Let the shutter be open for that long."""
        self._exposure = Exposure(exposure_s, self._exposure.readout_s)

    def flap_moved(self, name: str, at: int) -> None:
        """Nothing: what a flap does to an item is known once the item has passed it."""

    def lay(self, arrival: Arrival) -> BeltItem:
        """Put one item on the belt; it enters the view as the belt brings it there."""
        scale = self.view.mm_per_pixel
        truth = TrueItem(
            number=len(self.items) + 1,
            label=arrival.label,
            photo=arrival.photo,
            lane=self.view.lane_at(arrival.across_px),
            length_mm=arrival.sprite.length * scale,
            width_mm=arrival.sprite.width * scale,
        )
        item = BeltItem(truth, arrival.sprite, arrival.front_mm, round(arrival.across_px - arrival.sprite.width / 2))
        self.items.append(truth)
        self.on_belt.append(item)
        self._when(item, 0.0, lambda at: setattr(truth, "entered_at", at))
        if self._beam_mm is not None:
            self._when(item, self._beam_mm, lambda at: self._at_beam(item, 1))
            self._when(item, self._beam_mm + truth.length_mm, lambda at: self._at_beam(item, -1))
        self._when(item, self.view.line_mm + truth.length_mm / 2, lambda at: setattr(truth, "crossed_at", at))
        self._to_next_gate(item, 0)
        return item

    def _expect_next(self, not_before_mm: float = -math.inf) -> None:
        arrival = self._traffic.next()
        while arrival.front_mm - _ENTRY_MM < not_before_mm:
            arrival = self._traffic.next()  # would have come while nothing was laid on
        self._awaited = True
        self._events.when(self.motion, arrival.front_mm - _ENTRY_MM, lambda at: self._arrive(arrival))

    def _arrive(self, arrival: Arrival) -> None:
        self._awaited = False
        if self._feeding:
            self.lay(arrival)
            self._expect_next()

    def _when(self, item: BeltItem, distance_mm: float, action: Callable[[int], None]) -> None:
        """Do it when the rider's front is `distance_mm` past the start of the view."""
        self._events.when(self.motion, item.front_mm + distance_mm, action)

    def _at_beam(self, item: BeltItem, change: int) -> None:
        if item not in self.on_belt:
            return
        self._in_beam += change
        self._wires.beam(broken=self._in_beam > 0)

    def _to_next_gate(self, item: BeltItem, number: int) -> None:
        length = item.truth.length_mm
        if number < len(self.gates):
            gate = self.gates[number]
            self._when(item, gate.distance_mm + length, lambda at: self._pass(item, number, at))
        else:
            self._when(item, self._end_mm + length / 2, lambda at: self._land(item, RESIDUAL, at))

    def _pass(self, item: BeltItem, number: int, at: int) -> None:
        """The rider's rear has just passed a gate: what the flap did meanwhile decides where it goes."""
        if item not in self.on_belt:
            return  # taken off
        gate = self.gates[number]
        arrived_at = self.motion.instant_at(item.front_mm + gate.distance_mm)
        least, most = self.flaps[gate.actuator].extremes(gate.position, at if arrived_at is None else arrived_at, at)
        if most <= CLEAR:
            self._to_next_gate(item, number + 1)
        elif least >= IN_PATH and not self.blocked:
            self._land(item, gate.bin, at)
        else:
            item.truth.struck_by = gate.actuator
            self._land(item, SPILLED, at)

    def _land(self, item: BeltItem, where: str, at: int) -> None:
        if item not in self.on_belt:
            return
        self.on_belt.remove(item)
        item.truth.landed_in = where
        item.truth.landed_at = at + FALL_NS
        self._events.at(at + FALL_NS, lambda landed_at: self._wires.landed(where, landed_at))

    def label_at(self, point: tuple[float, float], at: int) -> str:
        """Return the label of the item nearest to a point (x, y) of the picture at an instant; empty if there is none."""
        along_px, across_px = self.view.from_picture(point)
        front = self.motion.position(at)

        def distance(item: BeltItem) -> float:
            middle_px = (front - item.front_mm) / self.view.mm_per_pixel - item.sprite.length / 2
            return (middle_px - along_px) ** 2 + (item.top_px + item.sprite.width / 2 - across_px) ** 2

        nearest = min(self.on_belt, key=distance, default=None)
        return "" if nearest is None else nearest.truth.label

    # -- what it looks like ------------------------------------------------------------------------------------

    def picture(self, at: int) -> Image:
        """Return what falls on the sensor of a camera whose shutter was open around `at`."""
        return self.view.to_picture(self._draw(at))

    def _draw(self, at: int) -> Image:
        """Return the clean picture (across, along, 3) of a shutter that was open around `at`."""
        view = self.view
        moved_px = self.motion.position(at) / view.mm_per_pixel
        speed_px = self.motion.speed_at(at) / view.mm_per_pixel
        # Half a pixel of blur is not seen; coarse steps let the drawn sprites be used again.
        smear = Smear(round(2 * speed_px * self._exposure.exposure_s) / 2, _skew(speed_px, self._exposure, view))
        start = round(-moved_px) % LENGTH_PX
        picture = self._surface(smear.blur_px)[:, start : start + view.along_px].copy()
        for item in self.on_belt:
            front_px = moved_px - item.front_mm / view.mm_per_pixel
            # A rolling shutter exposes the row of the item's middle this much earlier or later than the middle row.
            middle = item.top_px + item.sprite.width / 2 - view.across_px / 2
            item.sprite.draw(picture, front_px - item.sprite.length + middle * smear.skew, item.top_px, smear)
        for gate in self._arms:
            extension = self.flaps[gate.actuator].extension(gate.position, at)
            draw_arm(picture, gate.distance_mm / view.mm_per_pixel, _ARM_MM / view.mm_per_pixel, extension)
        return picture

    def _surface(self, blur_px: float) -> Image:
        """The strip as a shutter sees it, long enough to cut a window out anywhere."""
        if blur_px not in self._surfaces:
            if len(self._surfaces) >= 3:
                self._surfaces.clear()
            wide = np.concatenate([self._strip, self._strip[:, : self.view.along_px]], axis=1)
            self._surfaces[blur_px] = smeared(wide, blur_px)
        return self._surfaces[blur_px]


def _skew(speed_px: float, exposure: Exposure, view: View) -> float:
    """Shift in pixels from row to row; a belt that runs along the columns is only a little longer or shorter."""
    if view.direction not in ("right", "left"):
        return 0.0
    return round(speed_px * exposure.readout_s / view.across_px, 4)


def _gates(station: Station, view: View) -> tuple[Gate, ...]:
    gates = [
        Gate(view.line_mm + where.distance_mm, where.actuator, where.position, where.name)
        for where in station.bins
        if where.actuator is not None and where.distance_mm is not None
    ]
    return tuple(sorted(gates, key=lambda gate: gate.distance_mm))
