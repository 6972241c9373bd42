"""What becomes of items while a person shows them to a running station: they are kept for learning, and none is sorted."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from queue import Full, Queue
from typing import Final, NamedTuple

from edge.bundle.geometry import InputGeometry
from edge.bundle.preprocess import prepare_crop
from edge.health.faults import FaultKind
from edge.health.health import Health
from edge.health.monitors import Observer
from edge.interfaces import Sighting
from edge.teaching.shown import why_not_counted
from edge.types import Image, Item

MOST_WAITING: Final = 16
"""Items that wait for the disk; a few hundred KB each."""


THERE_BEFORE: Final = "it was there before this label was chosen; let the place become empty first"


class Taken(NamedTuple):
    """An item that was seen: all looks at it as the model gets them, or why it does not count."""

    label: str
    looks: Sequence[Image]
    why_not: str = ""


class Lesson(Observer):
    """Goes from `begin` to `end`, but no longer than whoever teaches the station is all that holds it.

    A fault, the emergency stop, a person's stop or a resume end it for good: nothing that moves begins again by itself. Any thread may
    call it, and none waits; `take` is for the vision thread alone.
    """

    def __init__(self, health: Health) -> None:
        self.taken: Queue[Taken] = Queue(MOST_WAITING)
        self._health = health
        self._shown: tuple[str, InputGeometry, int] | None = None
        self._has_been_empty = False

    @property
    def label(self) -> str:
        """What is being shown; empty where nothing is."""
        shown = self._shown
        return "" if shown is None else shown[0]

    @property
    def is_on(self) -> bool:
        """Whether items are taken in here, and sorted by nobody."""
        return self._shown is not None and bool(self._health.hold.taught_by)

    @property
    def is_possible(self) -> bool:
        """Whether frames come, and nothing but perhaps a person holds the station."""
        return self._health.heartbeats.begun and not any(fault.spec.inhibits for fault in self._health.faults)

    @property
    def may_run_belt(self) -> bool:
        """Whether the belt may run although the station is stopped."""
        return self.is_on and self.is_possible

    def begin(self, label: str, geometry: InputGeometry, now: int) -> None:
        """Take every item for one of that label from now on; what is in view already is of another, for all that is known."""
        self._has_been_empty = False
        self._shown = (label, geometry, now)

    def end(self) -> None:
        """Take nothing any more; what was taken is still there to be kept."""
        self._shown = None
        self._health.hold.end_teaching()

    def on_state(self, inhibited: bool, faults: Collection[FaultKind]) -> None:
        if self._shown is not None and not self.may_run_belt:
            self.end()

    def take(self, items: Sequence[Item], sightings: Sequence[Sighting]) -> None:
        """Take in what came at once, and what is followed; preparing it costs less than looking at it would else."""
        shown = self._shown
        if not items and all(sighting.settled for sighting in sightings):
            self._has_been_empty = True
        if shown is None or not items:
            return
        label, geometry, begun_at = shown
        is_from_before = any(crop.captured_at < begun_at for item in items for crop in item.crops)
        why_not = THERE_BEFORE if is_from_before or not self._has_been_empty else why_not_counted(items)
        looks = [] if why_not else [prepare_crop(crop.pixels, crop.box, geometry) for crop in items[0].crops]
        with suppress(Full):  # the disk is behind by as many: a person sees that this one is not counted
            self.taken.put_nowait(Taken(label, looks, why_not))
