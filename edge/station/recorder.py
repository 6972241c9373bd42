"""Everything that happens is told once, here: it goes to the journal, to what the page shows, and to the log."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from edge.config.calibration.record import Calibration
from edge.health.faults import Fault
from edge.health.hold import Hold
from edge.health.monitors import Observer
from edge.health.monitors.bin_levels import BinLevels
from edge.health.state import State
from edge.inference.slot import ModelAtWork
from edge.interfaces import Clock, Sighting
from edge.journal import DeliveryEntry, Journal
from edge.journal.backlog import BacklogCounts
from edge.journal.entries import Entry
from edge.line import Outcome
from edge.status.item_log import ItemLog
from edge.status.live import LiveView
from edge.transport import Delivery
from edge.types import Event, Frame, Severity, Stroke

log = logging.getLogger(__name__)

LEVELS = {Severity.NOTE: logging.INFO, Severity.WARNING: logging.WARNING, Severity.FAULT: logging.ERROR}


class Records(Protocol):
    """What is needed of a journal."""

    @property
    def turned_at(self) -> int:
        """The instant at which storing was last tried to the end."""
        ...

    @property
    def counts(self) -> BacklogCounts: ...

    def record(self, entry: Entry) -> None:
        """Take an entry in; never waits and never raises."""
        ...

    def use_bundle(self, digest: str) -> None:
        """Write this digest with every item from now on."""
        ...


class NoRecords:
    """The journal of a run that keeps none."""

    turned_at = 0
    counts = BacklogCounts(recorded=0, stored=0, lost=0, pending=0, pictures_lost=0)

    def record(self, entry: Entry) -> None:
        """Keep nothing."""

    def use_bundle(self, digest: str) -> None:
        """Keep nothing."""


class Recorder(Observer):
    """Takes outcomes, strokes, deliveries and events from any thread; waits for nothing.

    `publish` is for the supervising thread alone: a terminal may hold up whoever writes to the log.
    """

    def __init__(self, journal: Records, live: LiveView, levels: BinLevels) -> None:
        self._journal, self._live, self._levels = journal, live, levels
        self._items = ItemLog()

    @property
    def turned_at(self) -> int:
        """The instant at which the journal's writer showed life."""
        return self._journal.turned_at

    def on_outcome(self, outcome: Outcome, now: int) -> None:
        self._journal.record(outcome)
        self._live.publish_outcome(outcome)
        self._items.record(outcome)

    def on_stroke(self, stroke: Stroke) -> None:
        self._journal.record(stroke)
        self._live.publish_stroke(stroke)
        self._items.record(stroke)

    def on_event(self, event: Event) -> None:
        log.log(LEVELS[event.severity], "%s", event.text)
        self._journal.record(event)

    def on_delivery(self, delivery: Delivery) -> None:
        """Take note of what an exit sensor saw, or should have seen."""
        self._journal.record(DeliveryEntry(delivery.item_id, delivery.bin, delivery.at))
        self._live.publish_delivery(delivery.item_id, delivery.at is not None)

    def show_frame(self, frame: Frame, sightings: Sequence[Sighting]) -> None:
        """Show the newest frame with what is followed in it."""
        self._live.publish_frame(frame, sightings)

    def use_model(self, model: ModelAtWork) -> None:
        """Another model is at work from now on."""
        self._journal.use_bundle(model.digest)
        self._live.publish_model(model.name, model.version, model.min_scores)

    def publish(self, state: State, faults: Sequence[Fault], hold: Hold) -> None:
        """Write the lines of items, and show the state and what there is to count."""
        self._items.write()
        counts = self._journal.counts
        self._live.publish_journal({"stored": counts.stored, "waiting": counts.pending, "lost": counts.lost})
        self._live.publish_state(state, faults, hold.paused_by, hold.taught_by)
        self._live.publish_levels(self._levels.counts, self._levels.emptied_at)


@dataclass(frozen=True)
class Reporting:
    """The recorder and what it tells; `journal` is None where none is kept."""

    journal: Journal | None
    live: LiveView
    levels: BinLevels
    recorder: Recorder


def build_reporting(
    journal: Journal | None, levels: BinLevels, clock: Clock, calibration: Calibration | None = None
) -> Reporting:
    """Return a recorder over that journal, and a view of what is going on for the page."""
    live = LiveView(clock, calibration=calibration)
    return Reporting(journal, live, levels, Recorder(NoRecords() if journal is None else journal, live, levels))
