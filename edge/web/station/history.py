"""The faults of the last days, from the events of the journal: when each came up, and how long it stayed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from edge.clock import NS_PER_S
from edge.health.events import NO_LONGER
from edge.health.faults import SPECS, FaultKind
from edge.journal.reading import EventRecord, Query, read_last
from edge.types import EventKind

DAYS: Final = 7
MOST_EVENTS: Final = 2_000  # of all kinds, the newest: a contact that flaps for days must not make the page slow
MOST_FAULTS: Final = 200


@dataclass(slots=True)
class PastFault:
    """One fault; `seconds` is how long it stayed, None while it is there or where the program ended with it."""

    event: EventRecord
    ended: EventRecord | None = None

    @property
    def seconds(self) -> float | None:
        if self.ended is None:
            return None
        if self.ended.run_id == self.event.run_id:
            return (self.ended.at - self.event.at) / NS_PER_S
        return max(0.0, (_date(self.ended) - _date(self.event)).total_seconds())

    @property
    def detail(self) -> str:
        """What the sentence of its kind is about: the bin, the pin."""
        sentence, advice = (SPECS[self.kind].sentence, SPECS[self.kind].advice) if self.kind else ("", "")
        told = self.event.text.removesuffix(f" {advice}").removeprefix(sentence).strip()
        return told.removeprefix("(").removesuffix(")")

    @property
    def kind(self) -> FaultKind | None:
        """Its kind; None for one that this version does not know."""
        return FaultKind(self.event.code) if self.event.code in set(FaultKind) else None


def read_history(journal: Path) -> list[PastFault]:
    """Return the faults of the last DAYS before the newest event, newest first.

    Raises:
        JournalError: the journal is missing, damaged, too new or can't be read.
    """
    return pair_events(read_last(journal, EventRecord, Query(), MOST_EVENTS))


def pair_events(events: Sequence[EventRecord]) -> list[PastFault]:
    """Return the faults that these events tell of, newest first; events are oldest first."""
    dated = [event for event in events if event.time]
    if not dated:
        return []
    earliest = max(map(_date, dated)) - timedelta(days=DAYS)
    faults: list[PastFault] = []
    for event in dated:
        if event.kind == EventKind.FAULT:
            faults.append(PastFault(event))
        elif event.kind == EventKind.CLEARED:
            _end(faults, event)
    return [fault for fault in reversed(faults) if _date(fault.event) >= earliest][:MOST_FAULTS]


def _end(faults: Sequence[PastFault], ended: EventRecord) -> None:
    """Give the fault that ended its end: the latest one with that text."""
    told = ended.text.removeprefix(NO_LONGER)
    for fault in reversed(faults):
        if fault.ended is None and fault.event.code == ended.code and fault.event.text.startswith(told):
            fault.ended = ended
            return


def describe_history(faults: Sequence[PastFault], run_started: datetime) -> list[dict[str, Any]]:
    """Return them as JSON; what a run before this one left open ended with that run."""
    return [
        {
            "code": fault.event.code,
            "sentence": SPECS[fault.kind].sentence if fault.kind else fault.event.text,
            "detail": fault.detail if fault.kind else "",
            "began": fault.event.time,
            "ended": None if fault.ended is None else fault.ended.time,
            "seconds": fault.seconds,
            "is_there": fault.ended is None and _date(fault.event) >= run_started,
        }
        for fault in faults
    ]


def _date(event: EventRecord) -> datetime:
    return datetime.fromisoformat(event.time)
