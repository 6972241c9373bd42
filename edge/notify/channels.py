"""The channels that a station's settings ask for, and what is wrong with them as a fault of the station."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from edge.clock import NS_PER_S
from edge.config import Station
from edge.config.notify import Alerting
from edge.errors import ConfigError
from edge.health.faults import SPECS, FaultKind
from edge.health.monitors import Observer
from edge.health.monitors.lasting import Lasting
from edge.interfaces import Clock
from edge.notify.alerts import Alerts
from edge.notify.channel import Channel, Tries
from edge.notify.courier import Courier, Destination
from edge.notify.told import ToldFaults
from edge.status.live import LiveView
from edge.types import Severity

# A broker that is started anew is no fault.
_TROUBLE_NS = 20 * NS_PER_S


def open_channels(
    station: Station,
    live: LiveView,
    clock: Clock,
    act: Callable[[str], None] | None = None,
    tries: Callable[[], Tries] = Tries,
    folder: Path | None = None,
) -> list[Channel]:
    """Return the channels; nothing is connected, and no secret read, before they run.

    `act` does what a broker may ask for, where the station file lets it; `tries` says when each tries again;
    `folder` is where it is kept what people were told, None: nowhere.

    Raises:
        ConfigError: a fault that messages shall tell of does not exist.
    """
    # A station that tells nobody needs none of these libraries.
    settings, channels = station.notify, list[Channel]()

    def add(destination: Destination, rules: Alerting, table: str) -> None:
        alerts = Alerts(chosen_faults(rules, table), round(rules.after_s * NS_PER_S))
        told = ToldFaults(None if folder is None else folder / f"told-{destination.name.replace(' ', '-')}.json")
        channels.append(
            Courier(destination, alerts, station.name, lambda: live.faults, clock, tries(), told, station.language)
        )

    if settings.mqtt is not None:
        from edge.notify.mqtt import Mqtt
        from edge.notify.report import describe

        def report() -> dict[str, Any]:
            return describe(live.snapshot(), station.bins, station.language)

        channels.append(Mqtt(settings.mqtt, station.name, station.bins, report, act, tries()))
    for hook in settings.webhook:
        from edge.notify.webhook import Webhook

        add(Webhook(hook, clock), hook, f"notify.webhook[{hook.name}]")
    if settings.mail is not None:
        from edge.notify.mail import Mail

        add(Mail(settings.mail), settings.mail, "notify.mail")
    return channels


def chosen_faults(rules: Alerting, table: str) -> frozenset[FaultKind]:
    """Return the faults that messages shall tell of.

    Raises:
        ConfigError: there is none of that name.
    """
    chosen: set[FaultKind] = set()
    groups = {str(severity): severity for severity in (Severity.FAULT, Severity.WARNING)}
    for word in rules.faults:
        if word in groups:
            chosen |= {kind for kind, spec in SPECS.items() if spec.severity is groups[word]}
        elif word in set(FaultKind):
            chosen.add(FaultKind(word))
        else:
            known = [*groups, *map(str, FaultKind)]
            near = difflib.get_close_matches(word, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
            raise ConfigError(f"{table}.faults: there is no fault {word!r}; {hint}")
    return frozenset(chosen)


class NotifyMonitor(Observer):
    """Says which channels have not been able to deliver for a while, and why."""

    kinds = frozenset({FaultKind.NOTIFY_DOWN})

    def __init__(self, channels: Sequence[Channel]) -> None:
        self._channels = [(channel, Lasting(_TROUBLE_NS)) for channel in channels]

    def faults(self, now: int) -> Iterator[tuple[FaultKind, str]]:
        for channel, lasting in self._channels:
            trouble = channel.trouble
            lasting.active = bool(trouble)
            if lasting.is_due(now):
                yield FaultKind.NOTIFY_DOWN, f"{channel.name}: {trouble}"
