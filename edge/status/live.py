"""What is going on right now, for the page and the metrics: bounded, and free for the control path.

Writers never wait: each `publish_*` swaps one reference or appends to a bounded deque, both atomic. All
counting, cutting out of pictures and joining is done by readers, under a lock that no writer takes.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple

from edge.bundle.pictures import cut_out, thumbnail
from edge.config.calibration.record import Calibration
from edge.health.drift import Appearance
from edge.health.faults import Fault
from edge.health.monitors.machine import MachineState
from edge.health.state import State
from edge.interfaces import Clock, Sighting
from edge.line import Outcome
from edge.status.latency import Durations, Pace
from edge.status.snapshot import RecentItem, SeenPurity, Snapshot
from edge.tally import Tally
from edge.types import Crop, Decision, Frame, Image, Stroke, StrokeOutcome

KEEP_ITEMS = 24
# Decisions and strokes that wait for a reader: at 8 items a second, 20 minutes without one.
MAX_WAITING = 10_000
# Views kept until a reader makes thumbnails of them: 2 MB of items of 150 pixels.
MAX_UNCUT = 8
THUMBNAIL_PX = 192


class Newest(NamedTuple):
    """The newest picture and what is followed in it; `size` is the frame's, in whose pixels the sightings are.

    Where the camera gives a smaller picture too it is that one.
    """

    picture: Image
    size: tuple[int, int]
    captured_at: int
    sequence: int
    sightings: tuple[Sighting, ...]


class _Settled(NamedTuple):
    """What is kept of an Outcome until a reader comes; it holds no picture."""

    decision: Decision
    crossed_at: int
    frame_age_ns: int
    spare_ns: int | None
    is_watched: bool
    sharpness: float | None


class LiveView:
    """The newest frame, the last items, counters and the state; written by the station, read by the page."""

    def __init__(self, clock: Clock, model: tuple[str, str] = ("", ""), calibration: Calibration | None = None) -> None:
        self._clock, self._calibration = clock, calibration
        self._started_at, self._model = clock.now(), model
        self._machine, self._appearance = MachineState(), Appearance()
        self._thresholds: Mapping[str, float] = {}
        self._levels: tuple[Mapping[str, int], Mapping[str, float]] = ({}, {})
        self._purity: Mapping[str, SeenPurity] = {}
        self._journal_rows: Mapping[str, int] = {}
        self._newest: Newest | None = None
        self._condition: tuple[State, tuple[Fault, ...], str, str] = (State.STARTING, (), "", "")
        self._settled: deque[_Settled] = deque(maxlen=MAX_WAITING)
        self._struck: deque[Stroke] = deque(maxlen=MAX_WAITING)
        self._arrived: deque[tuple[int, bool]] = deque(maxlen=MAX_WAITING)
        self._uncut: deque[tuple[int, Crop]] = deque(maxlen=MAX_UNCUT)
        self._reading = threading.Lock()
        self._items: dict[int, RecentItem] = {}
        self._pictures: dict[int, Image] = {}
        self._early_strokes: dict[int, StrokeOutcome] = {}
        self._tally = Tally()
        self._labels: Counter[str] = Counter()
        self._strokes: Counter[tuple[str, StrokeOutcome]] = Counter()
        self._pace = Pace(self._started_at)
        self._deciding, self._frame_age, self._spare = Durations(), Durations(), Durations()
        self._pictured, self._sharpness = 0, 0.0
        self._revision = 0

    # -- writers: any thread, never waiting --------------------------------------------------------------------

    def publish_frame(self, frame: Frame, sightings: Sequence[Sighting]) -> None:
        """Show this frame from now on; its pixels must not change any more, but for those that were lent."""
        self._newest = _newest(frame, sightings)

    def publish_outcome(self, outcome: Outcome) -> None:
        """Count a decided item and keep its best crop."""
        decision, item, actuation = outcome.decision, outcome.item, outcome.actuation
        spare = None if actuation is None else actuation.fire_at - decision.decided_at
        sharpness = None
        if item.crops:
            self._uncut.append((item.item_id, item.crops[0]))
            sharpness = item.crops[0].sharpness
        self._settled.append(
            _Settled(decision, item.crossed_at, outcome.frame_age_ns, spare, outcome.is_watched, sharpness)
        )

    def publish_stroke(self, stroke: Stroke) -> None:
        """Count a stroke and mark the items that it served."""
        self._struck.append(stroke)

    def publish_delivery(self, item_id: int, arrived: bool) -> None:
        """Mark an item whose bin has an exit sensor."""
        self._arrived.append((item_id, arrived))

    def publish_state(
        self, state: State, faults: Sequence[Fault] = (), paused_by: str = "", taught_by: str = ""
    ) -> None:
        """Show this state and these faults, worst first; `paused_by` is who stopped the station, `taught_by` who teaches it."""
        self._condition = (state, tuple(faults), paused_by, taught_by)

    def publish_model(self, name: str, version: str, thresholds: Mapping[str, float] = MappingProxyType({})) -> None:
        """Show that this model is at work from now on, with these thresholds by label."""
        self._model, self._thresholds = (name, version), thresholds

    def publish_machine(self, machine: MachineState) -> None:
        """Show these readings of the machine."""
        self._machine = machine

    def publish_appearance(self, appearance: Appearance) -> None:
        """Show how the picture is beside how it was."""
        self._appearance = appearance

    def publish_journal(self, rows: Mapping[str, int]) -> None:
        """Show how many rows of the journal are stored, wait for the disk and are lost; must not change any more."""
        self._journal_rows = rows

    def publish_levels(self, levels: Mapping[str, int], emptied_at: Mapping[str, float] = MappingProxyType({})) -> None:
        """Show these counts of items in bins and when they were emptied; the mappings must not change any more."""
        self._levels = (levels, emptied_at)

    def publish_purity(self, purity: Mapping[str, SeenPurity]) -> None:
        """Show what people saw of the bins; the mapping must not change any more."""
        self._purity = purity

    # -- readers -----------------------------------------------------------------------------------------------

    def newest(self) -> Newest | None:
        """Return the newest frame; None before the first one."""
        return self._newest

    @property
    def faults(self) -> Sequence[Fault]:
        """What is wrong now, worst first; costs nothing."""
        return self._condition[1]

    def picture(self, item_id: int) -> Image | None:
        """Return a thumbnail of one of the last items; None if there is none (any more)."""
        with self._reading:
            self._catch_up()
            return self._pictures.get(item_id)

    def catch_up(self) -> None:
        """Digest what has been published, so that no picture is held longer than needed."""
        with self._reading:
            self._catch_up()

    def snapshot(self) -> Snapshot:
        """Return everything at one instant."""
        with self._reading:
            self._catch_up()
            now = self._clock.now()
            newest, (state, faults, paused_by, taught_by) = self._newest, self._condition
            levels, emptied_at = self._levels
            return Snapshot(
                taken_at=now,
                uptime_ns=now - self._started_at,
                state=state,
                faults=faults,
                paused_by=paused_by,
                taught_by=taught_by,
                model=self._model,
                items=tuple(reversed(self._items.values())),
                pictured=frozenset(self._pictures),
                counts=self._tally.counts,
                settled=dict(self._tally.settled),
                labels=dict(self._labels),
                strokes=dict(self._strokes),
                items_per_min=self._pace.per_min(now),
                deciding=self._deciding.latency(),
                frame_age=self._frame_age.latency(),
                spare=self._spare.latency(),
                sharpness=(self._pictured, self._sharpness),
                picture_age_ns=None if newest is None else now - newest.captured_at,
                machine=self._machine,
                appearance=self._appearance,
                levels=levels,
                emptied_at=emptied_at,
                thresholds=self._thresholds,
                journal_rows=self._journal_rows,
                calibration=self._calibration,
                purity=self._purity,
                revision=self._revision,
            )

    def _catch_up(self) -> None:
        while self._settled:
            self._take_in(self._settled.popleft())
        while self._uncut:  # after the items: whoever is told of one can have its picture
            item_id, crop = self._uncut.popleft()
            # With some surroundings, by which people know the place.
            cut = cut_out(crop.pixels, crop.box, border=max(crop.box.width, crop.box.height) // 12)
            if cut is not None:
                self._pictures[item_id] = thumbnail(cut, THUMBNAIL_PX)
        while self._struck:
            self._mark(self._struck.popleft())
        while self._arrived:
            item_id, arrived = self._arrived.popleft()
            self._tally.landed(item_id, seen=arrived)
            if item_id in self._items:
                self._revision += 1
                self._items[item_id] = replace(self._items[item_id], arrived=arrived, revision=self._revision)
        for kept in (self._items, self._pictures, self._early_strokes):
            _drop_oldest(kept)

    def _take_in(self, settled: _Settled) -> None:
        decision = settled.decision
        has_stroke, is_watched = settled.spare_ns is not None, settled.is_watched
        self._tally.decided(
            decision.item_id, decision.bin, decision.reason, has_stroke=has_stroke, is_watched=is_watched
        )
        if decision.label:
            self._labels[decision.label] += 1
        self._pace.add(decision.decided_at)
        self._deciding.add(decision.decided_at - settled.crossed_at)
        self._frame_age.add(settled.frame_age_ns)
        if settled.spare_ns is not None:
            self._spare.add(settled.spare_ns)
        if settled.sharpness is not None:
            self._pictured, self._sharpness = self._pictured + 1, self._sharpness + settled.sharpness
        self._revision += 1
        self._items[decision.item_id] = RecentItem(
            decision=decision,
            crossed_at=settled.crossed_at,
            spare_ns=settled.spare_ns,
            stroke=self._early_strokes.pop(decision.item_id, StrokeOutcome.PENDING),
            revision=self._revision,
            is_watched=is_watched,
        )

    def _mark(self, stroke: Stroke) -> None:
        self._strokes[stroke.actuation.actuator, stroke.outcome] += 1
        for item_id in stroke.actuation.item_ids:
            self._tally.stroke_ended(item_id, stroke.outcome)
            item = self._items.get(item_id)
            if item is None:
                self._early_strokes[item_id] = stroke.outcome
                continue
            self._revision += 1
            self._items[item_id] = replace(item, stroke=stroke.outcome, revision=self._revision)


def _newest(frame: Frame, sightings: Sequence[Sighting]) -> Newest:
    size = frame.pixels.shape[1], frame.pixels.shape[0]
    return Newest(frame.smallest, size, frame.captured_at, frame.sequence, tuple(sightings))


def _drop_oldest(kept: dict[int, Any]) -> None:
    while len(kept) > KEEP_ITEMS:
        del kept[next(iter(kept))]
