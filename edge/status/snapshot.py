"""Everything that is known of the running station at one instant, for whoever shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edge.config import RESIDUAL
from edge.config.calibration.record import Calibration
from edge.health.drift import Appearance
from edge.health.faults import Fault, FaultKind
from edge.health.monitors.machine import MachineState
from edge.health.state import State
from edge.status.latency import Latency
from edge.tally import EXPECTED, NOT_SEEN, what_happened
from edge.types import Decision, Reason, StrokeOutcome


@dataclass(frozen=True, slots=True)
class RecentItem:
    """One decided item; times in nanoseconds on the station's clock.

    `spare_ns` is the time between the decision and its stroke, None where no stroke was needed.
    `stroke` is what became of it, `arrived` what an exit sensor saw of it (None: nothing yet, or there
    is no sensor; `is_watched` says which). `revision` grows with every change of any item.
    """

    decision: Decision
    crossed_at: int
    spare_ns: int | None
    stroke: StrokeOutcome
    revision: int
    arrived: bool | None = None
    is_watched: bool = False

    @property
    def reason(self) -> Reason:
        """What happened, as far as it is known."""
        landed = EXPECTED if self.is_watched else None
        if self.arrived is not None:
            landed = self.decision.bin if self.arrived else NOT_SEEN
        return what_happened(self.decision.reason, None if self.spare_ns is None else self.stroke, landed)


@dataclass(frozen=True, slots=True)
class SeenPurity:
    """What people saw in one bin under the model at work: the share that belongs there, and where the truth may lie.

    `share` is None while too few items are labelled, `missing` how many more it takes, `last` when the newest labelled one
    came, seconds since the epoch. `unlabelled` counts those that chance chose as well and nobody labelled: if they are the
    hard ones, the share is too good.
    """

    share: float | None
    low: float
    high: float
    labelled: int
    missing: int
    last: float | None
    unlabelled: int = 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that is known at `taken_at`; `items` are newest first.

    `pictured` holds the items that have a thumbnail. `counts` is by bin and by what became of them (see edge/tally.py),
    `settled` those of them that will not change any more, `strokes` by (actuator, outcome), `levels` the items since a bin
    was emptied, `emptied_at` when that was, seconds since the epoch, where it is known. `thresholds` is by label. `picture_age_ns` is the age of the newest frame now, None before the first one.
    `purity` is by bin; empty where nobody has labelled anything. `sharpness` is the number of items that were pictured and the sum of their best crops' sharpness (see Crop).
    """

    taken_at: int
    uptime_ns: int
    state: State
    faults: tuple[Fault, ...]
    paused_by: str
    taught_by: str
    model: tuple[str, str]
    items: tuple[RecentItem, ...]
    pictured: frozenset[int]
    counts: Mapping[tuple[str, Reason], int]
    settled: Mapping[tuple[str, Reason], int]
    labels: Mapping[str, int]
    strokes: Mapping[tuple[str, StrokeOutcome], int]
    items_per_min: float
    deciding: Latency
    frame_age: Latency
    spare: Latency
    sharpness: tuple[int, float]
    picture_age_ns: int | None
    machine: MachineState
    appearance: Appearance
    levels: Mapping[str, int]
    emptied_at: Mapping[str, float]
    thresholds: Mapping[str, float]
    journal_rows: Mapping[str, int]
    calibration: Calibration | None
    purity: Mapping[str, SeenPurity]
    revision: int

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def full_bins(self) -> frozenset[str]:
        """The bins that take no more."""
        full = {fault.detail for fault in self.faults if fault.kind is FaultKind.BIN_FULL}
        residual = {RESIDUAL for fault in self.faults if fault.kind is FaultKind.RESIDUAL_FULL}
        return frozenset(full | residual)
