"""Which faults are told of and when: once each and once for its end, and those that come and go in one message."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from edge.clock import NS_PER_S
from edge.health.faults import Fault, FaultKind
from edge.health.retry import FaultKey

GATHER_NS = 600 * NS_PER_S
"""A fault that comes back is told of again after so long, with how often it came."""
# One that never lasts as long as asked for is told of when it has come so often.
_OFTEN = 3


class AlertKind(StrEnum):
    """What a message says."""

    RAISED = "fault.raised"
    ENDED = "fault.ended"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Alert:
    """A message that is due: the fault, since when, and how often it came in the span; nanoseconds."""

    kind: AlertKind
    fault: Fault
    since: int
    times: int
    span: int


@dataclass(slots=True)
class _Story:
    """What is known of one fault: whether it is there and since when, and what people were told.

    `times` is how often it came since the last message, beginning at `first_at`; `flaps`, that it came back at all.
    """

    fault: Fault
    changed_at: int
    first_at: int
    is_there: bool = True
    times: int = 1
    flaps: bool = False
    is_told: bool = False
    told_at: int | None = None


class Alerts:
    """Looks at the faults again and again and says what is to be told; waits for nothing.

    A fault that lasted `after` is told of, and its end at once. One that comes back within `gather` of that is told of
    again when that time is over, with how often it came, and its end once it has stayed away as long: however it comes
    and goes, there is no more than one message in that time.
    """

    def __init__(self, kinds: Collection[FaultKind], after: int, gather: int = GATHER_NS) -> None:
        self._kinds, self._after, self._gather = frozenset(kinds), after, gather
        self._stories: dict[FaultKey, _Story] = {}

    def restore(self, told: Collection[FaultKey], now: int) -> None:
        """Go on where an earlier run ended: these were told of, and their end was not."""
        for kind, detail in told:
            fault = Fault(kind, now, detail)
            self._stories[kind, detail] = _Story(fault, now, now, False, 0, flaps=True, is_told=True, told_at=now)

    def look(self, faults: Iterable[Fault], now: int) -> list[Alert]:
        """Take note of the faults that are there now, and return what is due, oldest first."""
        self._follow({(fault.kind, fault.detail): fault for fault in faults if fault.kind in self._kinds}, now)
        alerts = [alert for story in self._stories.values() for alert in self._due(story, now)]
        self._stories = {key: story for key, story in self._stories.items() if not self._is_forgotten(story, now)}
        return sorted(alerts, key=lambda alert: alert.since)

    def _follow(self, there: dict[FaultKey, Fault], now: int) -> None:
        for key, fault in there.items():
            story = self._stories.get(key)
            if story is None:
                self._stories[key] = _Story(fault, fault.raised_at, fault.raised_at)
            elif not story.is_there or fault.raised_at != story.fault.raised_at:
                story.fault, story.is_there, story.changed_at = fault, True, fault.raised_at
                story.first_at = fault.raised_at if story.times == 0 else story.first_at
                story.times, story.flaps = story.times + 1, True
        for key, story in self._stories.items():
            if story.is_there and key not in there:
                story.is_there, story.changed_at = False, now

    def _due(self, story: _Story, now: int) -> Iterator[Alert]:
        span, lasted = now - story.first_at, now - story.changed_at
        is_rested = story.told_at is None or now - story.told_at >= self._gather
        if story.is_there and not story.is_told and is_rested:
            if lasted >= self._after or (story.times >= _OFTEN and span >= self._after):
                yield self._tell(AlertKind.RAISED, story, now)
        elif not story.is_there and story.is_told and (lasted >= self._gather or not story.flaps):
            yield self._tell(AlertKind.ENDED, story, now)

    def _tell(self, kind: AlertKind, story: _Story, now: int) -> Alert:
        alert = Alert(kind, story.fault, story.changed_at, story.times, now - story.first_at)
        story.is_told, story.told_at, story.times = kind is AlertKind.RAISED, now, 0
        return alert

    def _is_forgotten(self, story: _Story, now: int) -> bool:
        quiet_since = max(story.changed_at, story.told_at or 0)
        return not story.is_there and not story.is_told and now - quiet_since >= self._gather
