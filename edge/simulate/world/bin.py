"""The simulated bin station: a hand puts items on a plate, the plate's flap or carousel drops them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from math import cos, pi, sin
from typing import Final

import numpy as np

from edge.clock import NS_PER_S, ms
from edge.config import RESIDUAL, Station
from edge.devices.actuators import ACTUATOR_TYPES
from edge.simulate.render.exact import exponential, resized, settled, uniform
from edge.simulate.render.hand import draw_hand, tilt_plate
from edge.simulate.render.photo_stock import PhotoLibrary
from edge.simulate.render.sprite import Pose, Smear, Sprite
from edge.simulate.render.texture import build_strip
from edge.simulate.world.belt import FALL_NS
from edge.simulate.world.event_queue import EventQueue
from edge.simulate.world.flap import IN_PATH, Flap
from edge.simulate.world.input_pins import InputPins
from edge.simulate.world.truth import SPILLED, TrueItem
from edge.types import Image

VIEW_MM: Final = 320.0
"""Longer side of what the camera of a bin station sees."""
_REACH_NS: Final = ms(450)  # a hand on its way in, and out again
_HOLD_NS: Final = ms(180)  # it stays this long where it puts something down
_SLIDE_NS: Final = ms(80)  # an item needs an open flap for so long to slide off
_REST_NS: Final = ms(500)  # what has not moved for so long stands still
_PATIENCE_NS: Final = ms(6000)  # then the person takes the item and throws it into residual by hand
_FIRST_VISIT_S: Final = 3.0  # nobody comes while the station learns what its empty plate looks like


class Visit(Enum):
    """What a person does."""

    ONE_ITEM = "one item"
    TWO_ITEMS = "two at once"
    LARGE_ITEM = "one that is larger than the view"
    TAKEN_AWAY = "shown and taken away again"
    EMPTY_HAND = "nothing but a hand"


HABITS: Final[Mapping[Visit, float]] = {
    Visit.ONE_ITEM: 0.80,
    Visit.TWO_ITEMS: 0.07,
    Visit.LARGE_ITEM: 0.03,
    Visit.TAKEN_AWAY: 0.05,
    Visit.EMPTY_HAND: 0.05,
}


@dataclass
class PlacedItem:
    """An item on the plate; (x, y) is its middle in pixels."""

    truth: TrueItem
    sprite: Sprite
    x: float
    y: float


@dataclass(frozen=True)
class Hand:
    """An arm that comes in along an angle, is at the plate's (x, y) for a moment and goes out again."""

    begin: int
    x: float
    y: float
    angle: float
    carried: tuple[PlacedItem, ...]
    lets_go: bool

    @property
    def touch(self) -> int:
        return self.begin + _REACH_NS

    @property
    def end(self) -> int:
        return self.touch + _HOLD_NS + _REACH_NS

    def away(self, at: int) -> float:
        """How far it is from the place, 0 to 1."""
        if at < self.touch:
            return (self.touch - at) / _REACH_NS
        return max(0.0, (at - self.touch - _HOLD_NS) / _REACH_NS)


class BinScene:
    """Everything on the plate; see `BeltScene` for the attributes.

    A residual bin without an actuator is filled by hand: who waited long enough takes the item away.
    """

    def __init__(
        self,
        station: Station,
        library: PhotoLibrary,
        flaps: Mapping[str, Flap],
        events: EventQueue,
        input_pins: InputPins,
        start: int,
    ) -> None:
        simulation = station.simulation
        self.items: list[TrueItem] = []
        self.visits: list[tuple[int, Visit]] = []
        self.placed: list[PlacedItem] = []
        self.blocked = False
        self._wires = input_pins
        self.habits: Mapping[Visit, float] = HABITS
        self._station = station
        self._library = library
        self._flaps = flaps
        self._events = events
        self._rng = np.random.default_rng([simulation.seed, 5])
        self._size = (station.camera.width, station.camera.height)
        self._feeding = True
        self._awaited = False
        self._hand: Hand | None = None
        self._moved_at = start
        # Lids and carousels move beneath the plate that is in the picture.
        self._tilting = [
            (b.actuator, b.position)
            for b in station.bins
            if b.actuator is not None and ACTUATOR_TYPES[station.actuator(b.actuator).type].turns_plate
        ]
        self._plate = np.ascontiguousarray(
            build_strip(simulation.texture, self._size[1], simulation.seed)[:, : self._size[0]]
        )
        if self._plate.shape[1] < self._size[0]:
            self._plate = resized(self._plate, self._size)
        self._await_visit(start + round(_FIRST_VISIT_S * NS_PER_S))

    # -- people ------------------------------------------------------------------------------------------------

    def stop_feeding(self) -> None:
        """Nobody comes any more."""
        self._feeding = False

    def clear(self) -> None:
        """Take everything off the plate, and out of the hand that is coming."""
        self.placed.clear()
        self._hand = None

    def resume_feeding(self, at: int) -> None:
        """People come again."""
        if not self._feeding:
            self._feeding = True
            if not self._awaited:
                self._await_visit(at)

    @property
    def labels(self) -> tuple[str, ...]:
        return self._library.all_labels

    def put(self, label: str, at: int) -> None:
        """Let somebody come with an item of a label."""
        self._events.at(at, lambda due: self._visit(Visit.ONE_ITEM, due, label))

    def visit_at(self, kind: Visit, at: int) -> None:
        """Let somebody come at an instant, or as soon after it as the plate is empty."""
        self._events.at(at, lambda due: self._come(kind, due))

    def _visit(self, kind: Visit, at: int, label: str | None = None) -> None:
        self.visits.append((at, kind))
        sizes = {Visit.TWO_ITEMS: 2, Visit.EMPTY_HAND: 0}.get(kind, 1)
        things = tuple(self._pick(kind, label) for _ in range(sizes))
        if len(things) == 2:
            things[1].x = things[0].x + (things[0].sprite.length + things[1].sprite.length) * 0.62
        width, height = self._size
        x, y = (things[0].x, things[0].y) if things else (width / 2, height / 2)
        angle = uniform(self._rng, 0.25 * pi, 0.75 * pi)
        hand = self._hand = Hand(at, x, y, angle, things, lets_go=kind is not Visit.TAKEN_AWAY)
        if hand.lets_go:
            self._events.at(hand.touch, lambda touched_at: self._put_down(things, touched_at))
        self._events.at(hand.end, lambda gone_at: self._gone(hand, gone_at))

    def _pick(self, kind: Visit, label: str | None = None) -> PlacedItem:
        rng, settings = self._rng, self._station.simulation
        width, height = self._size
        per_mm = max(width, height) / VIEW_MM
        longest = min(settings.largest_mm, VIEW_MM * 0.45)
        size = uniform(rng, min(settings.smallest_mm, longest), longest) * per_mm
        if kind is Visit.LARGE_ITEM:
            size = 2.0 * max(width, height)  # a bottle covers most of the view, however it lies
        elif kind is Visit.TWO_ITEMS:
            size *= 0.8
        label = label or self._library.labels[int(rng.integers(len(self._library.labels)))]
        cut_out = self._library.pick(label, rng)
        sprite = Sprite(cut_out, Pose(size, uniform(rng, 0, 360), uniform(rng, 0.85, 1.1)))
        x = width * uniform(rng, 0.42, 0.58) - (0.14 * width if kind is Visit.TWO_ITEMS else 0.0)
        truth = TrueItem(0, label, cut_out.name)
        return PlacedItem(truth, sprite, x, height * uniform(rng, 0.42, 0.58))

    def _await_visit(self, not_before: int) -> None:
        self._awaited = True
        mean_s = 60 / self._station.simulation.items_per_min
        pause = round(exponential(self._rng, mean_s) * NS_PER_S)
        kind = list(self.habits)[int(self._rng.choice(len(self.habits), p=list(self.habits.values())))]
        self._events.at(not_before + pause, lambda at: self._come(kind, at))

    def _come(self, kind: Visit, at: int) -> None:
        if not self._feeding:
            self._awaited = False
            return
        if self.placed or self._hand is not None or self._is_moving(at):
            self._events.at(at + NS_PER_S, lambda later: self._come(kind, later))  # people wait until it is their turn
        else:
            self._visit(kind, at)

    def _is_moving(self, at: int) -> bool:
        out = any(self._flaps[b.actuator].extension(b.position, at) > 0 for b in self._station.bins if b.actuator)
        return out or at - self._moved_at < _REST_NS

    def _put_down(self, things: tuple[PlacedItem, ...], at: int) -> None:
        if self._hand is None:
            return
        for thing in things:
            thing.truth.number = len(self.items) + 1
            thing.truth.entered_at = thing.truth.crossed_at = at
            self.items.append(thing.truth)
            self.placed.append(thing)
        self._events.at(at + _PATIENCE_NS, lambda later: self._take_away(things, later))
        for name in self._flaps:
            self._events.at(at + _SLIDE_NS, lambda later, name=name: self._look(name, later))  # type: ignore[misc]

    def _gone(self, hand: Hand, at: int) -> None:
        if self._hand is hand:  # another one may have been put in its place
            self._hand = None
        self._await_visit(at + NS_PER_S)

    def _take_away(self, things: tuple[PlacedItem, ...], at: int) -> None:
        for thing in things:
            if thing in self.placed:
                self._drop(thing, RESIDUAL, at)

    def label_at(self, point: tuple[float, float], at: int) -> str:
        """Return the label of the item nearest to a point (x, y) of the picture; empty if there is none."""
        nearest = min(self.placed, key=lambda t: (t.x - point[0]) ** 2 + (t.y - point[1]) ** 2, default=None)
        return "" if nearest is None else nearest.truth.label

    # -- flaps -------------------------------------------------------------------------------------------------

    def flap_moved(self, name: str, at: int) -> None:
        """Look, once the flap may be there, whether what lies on the plate slides off."""
        self._moved_at = at
        lead = round(IN_PATH * ms(self._station.actuator(name).lead_ms)) + 1
        self._events.at(at + lead + _SLIDE_NS, lambda later: self._look(name, later))

    def _look(self, name: str, at: int) -> None:
        for where in self._station.bins:
            if where.actuator == name and self._flaps[name].extremes(where.position, at - _SLIDE_NS, at)[0] >= IN_PATH:
                for thing in list(self.placed):
                    self._drop(thing, SPILLED if self.blocked else where.name, at)

    def _drop(self, thing: PlacedItem, where: str, at: int) -> None:
        self.placed.remove(thing)
        thing.truth.landed_in = where
        thing.truth.landed_at = at + FALL_NS
        self._events.at(at + FALL_NS, lambda landed_at: self._wires.landed(where, landed_at))

    # -- what it looks like ------------------------------------------------------------------------------------

    def picture(self, at: int) -> Image:
        """Return the light that falls on the sensor, (height, width, 3)."""
        picture = self._plate.copy()
        tilt = max((self._flaps[name].extension(position, at) for name, position in self._tilting), default=0.0)
        if tilt > 0:
            tilt_plate(picture, tilt)
        for thing in self.placed:
            _draw_thing(picture, thing, 0.0, 90 * tilt**2)
        if self._hand is not None and self._hand.begin <= at <= self._hand.end:
            self._draw_hand(picture, self._hand, at)
        return picture

    def _draw_hand(self, picture: Image, hand: Hand, at: int) -> None:
        reach = 1.4 * max(self._size)
        dx, dy = (settled(f(hand.angle)) * reach * hand.away(at) for f in (cos, sin))
        if at < hand.touch or not hand.lets_go:
            for thing in hand.carried:
                _draw_thing(picture, thing, dx, dy)
        draw_hand(picture, (hand.x + dx, hand.y + dy), hand.angle)


def _draw_thing(picture: Image, thing: PlacedItem, dx: float, dy: float) -> None:
    sprite = thing.sprite
    sprite.draw(picture, thing.x + dx - sprite.length / 2, round(thing.y + dy - sprite.width / 2), Smear())
