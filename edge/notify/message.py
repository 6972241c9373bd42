"""A message for people: the fault in its own plain words, what to do, and since when."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

from edge.clock import NS_PER_S
from edge.interfaces import Clock
from edge.notify.alerts import Alert, AlertKind

_MIN_S = 60


@dataclass(frozen=True, slots=True)
class Message:
    """What is delivered; a delivery that is tried again has the same `message_id`, so that nobody reads it twice.

    `at` is when the fault came or ended, in seconds since the epoch.
    """

    message_id: str
    kind: AlertKind
    station: str
    fault: str
    detail: str
    severity: str
    title: str
    text: str
    at: float
    times: int

    @property
    def time(self) -> str:
        """The instant as people and programs read it."""
        return datetime.fromtimestamp(self.at, UTC).isoformat(timespec="seconds")


def write_message(alert: Alert, station: str, clock: Clock) -> Message:
    """Return the message about a fault at a station."""
    fault = alert.fault
    at = clock.wall_time() - (clock.now() - alert.since) / NS_PER_S
    ended = alert.kind is AlertKind.ENDED
    lines = [f"No longer: {fault.text}" if ended else f"{fault.text} {fault.spec.advice}", *_how_often(alert)]
    moment = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    date = "" if clock.date_is_known() else " (the station's date may be wrong)"
    lines.append(f"{'Ended' if ended else 'Since'}: {moment}{date}")
    return Message(
        message_id=f"msg_{secrets.token_hex(12)}",
        kind=alert.kind,
        station=station,
        fault=fault.kind,
        detail=fault.detail,
        severity=fault.spec.severity,
        title=f"{station}: {'no longer: ' if ended else ''}{fault.text}",
        text="\n".join(lines),
        at=at,
        times=alert.times,
    )


def test_message(station: str, clock: Clock) -> Message:
    """Return the message that a person asks for."""
    return Message(
        message_id=f"msg_{secrets.token_hex(12)}",
        kind=AlertKind.TEST,
        station=station,
        fault="",
        detail="",
        severity="note",
        title=f"{station}: a test message",
        text="Somebody asked for this test with `sorter notify --test`. Messages about faults take the same way.",
        at=clock.wall_time(),
        times=0,
    )


def _how_often(alert: Alert) -> list[str]:
    """Say how often a fault came that comes and goes."""
    least = 2 if alert.kind is AlertKind.RAISED else 1
    if alert.times < least:
        return []
    minutes = max(1, round(alert.span / NS_PER_S / _MIN_S))
    times = "once" if alert.times == 1 else f"{alert.times} times"
    return [f"It came {times} within {minutes} {'minute' if minutes == 1 else 'minutes'}."]
