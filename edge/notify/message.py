"""A message for people: the fault in its own plain words, what to do, and since when."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

from edge.clock import NS_PER_S
from edge.health.faults import Fault
from edge.interfaces import Clock
from edge.notify.alerts import Alert, AlertKind
from edge.words import translate

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


def write_message(alert: Alert, station: str, clock: Clock, language: str) -> Message:
    """Return the message about a fault at a station."""
    fault, at = alert.fault, clock.wall_time() - (clock.now() - alert.since) / NS_PER_S
    title, time = say_fault(fault, language), datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    if alert.kind is AlertKind.ENDED:
        first = title = translate("No longer: {fault}", language, fault=title)
        when = translate("Ended: {time}", language, time=time)
    else:
        first = f"{title} {translate(fault.spec.advice, language)}"
        when = translate("Since: {time}", language, time=time)
    lines = [first, *_how_often(alert, language), when]
    if not clock.date_is_known():
        lines.append(translate("The station's date may be wrong.", language))
    return Message(
        message_id=f"msg_{secrets.token_hex(12)}",
        kind=alert.kind,
        station=station,
        fault=fault.kind,
        detail=fault.detail,
        severity=fault.spec.severity,
        title=f"{station}: {title}",
        text="\n".join(lines),
        at=at,
        times=alert.times,
    )


def say_fault(fault: Fault, language: str) -> str:
    """Return what is wrong, for people: the sentence and in which bin, at which pin or file."""
    sentence, detail = translate(fault.spec.sentence, language), translate(fault.detail, language)
    return f"{sentence} ({detail})" if detail else sentence


def test_message(station: str, clock: Clock, language: str) -> Message:
    """Return the message that a person asks for."""
    return Message(
        message_id=f"msg_{secrets.token_hex(12)}",
        kind=AlertKind.TEST,
        station=station,
        fault="",
        detail="",
        severity="note",
        title=f"{station}: {translate('A test message', language)}",
        text=translate(
            "Somebody asked for this test with `sorter notify --test`. Messages about faults take the same way.",
            language,
        ),
        at=clock.wall_time(),
        times=0,
    )


def _how_often(alert: Alert, language: str) -> list[str]:
    """Say how often a fault came that comes and goes."""
    least = 2 if alert.kind is AlertKind.RAISED else 1
    if alert.times < least:
        return []
    minutes = max(1, round(alert.span / NS_PER_S / _MIN_S))
    if alert.times == 1:
        return [translate("It came once within {minutes} min.", language, minutes=minutes)]
    return [translate("It came {times} times within {minutes} min.", language, times=alert.times, minutes=minutes)]
