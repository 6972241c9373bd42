"""Which item comes when: random as on a real belt, and the same every time for one seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge.config import Station
from edge.errors import ConfigError
from edge.simulate.render.exact import exponential, uniform
from edge.simulate.render.photo_stock import PhotoLibrary
from edge.simulate.render.sprite import Pose, Sprite
from edge.simulate.render.view import View


@dataclass(frozen=True)
class Arrival:
    """One item as it is laid on the belt.

    Attributes:
        front_mm: how far the belt has moved when the item's front reaches the view.
        across_px: its middle across the belt.
    """

    label: str
    photo: str
    sprite: Sprite
    front_mm: float
    across_px: float
    lane: int


@dataclass(frozen=True)
class Load:
    """What is put on the belt: sizes are of an item's longer side."""

    items_per_min: float
    min_gap_mm: float
    smallest_mm: float
    largest_mm: float

    @classmethod
    def of(cls, station: Station) -> Load:
        chosen = station.simulation
        return cls(chosen.items_per_min, chosen.min_gap_mm, chosen.smallest_mm, chosen.largest_mm)

    @property
    def mean_mm(self) -> float:
        """Mean extent along the belt: a turned item is about as long as 0.93 of its longer side."""
        return 0.93 * (self.smallest_mm + self.largest_mm) / 2


class Traffic:
    """Arrivals in the order in which they reach the view.

    Gaps within a lane are the least gap plus an exponentially distributed rest (a Poisson process with
    a dead time), so that the mean rate is the one asked for.
    """

    def __init__(self, load: Load, view: View, library: PhotoLibrary, speed_mm_per_s: float, seed: int) -> None:
        self._load = load
        self._view = view
        self._library = library
        self._rng = np.random.default_rng([seed, 3])
        pitch = speed_mm_per_s * 60 * view.lanes / load.items_per_min
        self._spare_mm = pitch - load.mean_mm - load.min_gap_mm
        if self._spare_mm < 0:
            raise ConfigError(
                f"{load.items_per_min:g} items/min at {speed_mm_per_s:g} mm/s leave {pitch:.0f} mm for an item and its "
                f"gap; expected at least {load.mean_mm + load.min_gap_mm:.0f} mm: a faster belt, fewer or smaller items"
            )
        self._waiting = [self._place(lane, self._gap()) for lane in range(view.lanes)]

    def next(self) -> Arrival:
        """Return the arrival that comes next."""
        first = min(self._waiting, key=lambda arrival: arrival.front_mm)
        behind = first.front_mm + first.sprite.length * self._view.mm_per_pixel + self._load.min_gap_mm + self._gap()
        self._waiting[self._waiting.index(first)] = self._place(first.lane, behind)
        return first

    @property
    def labels(self) -> tuple[str, ...]:
        return self._library.all_labels

    def one(self, label: str, front_mm: float) -> Arrival:
        """Return an item of a label that comes out of turn, in the middle lane."""
        return self._place(self._view.lanes // 2, front_mm, label)

    def _gap(self) -> float:
        return exponential(self._rng, self._spare_mm) if self._spare_mm > 0 else 0.0

    def _place(self, lane: int, front_mm: float, label: str | None = None) -> Arrival:
        rng, view = self._rng, self._view
        label = label or self._library.labels[int(rng.integers(len(self._library.labels)))]
        size = uniform(rng, self._load.smallest_mm, self._load.largest_mm) / view.mm_per_pixel
        pose = Pose(size, uniform(rng, 0, 360), uniform(rng, 0.85, 1.1))
        cut_out = self._library.pick(label, rng)
        sprite = Sprite(cut_out, pose)
        room = view.across_px / view.lanes
        play = max(0.0, room - sprite.width) / 2
        across = (lane + 0.5) * room + uniform(rng, -play, play) * 0.8
        return Arrival(label, cut_out.name, sprite, front_mm, across, lane)
