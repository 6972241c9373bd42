"""What a station's settings make of channels, and when a channel that fails is a fault of the station."""

from __future__ import annotations

from threading import Event

import pytest
from support.assembled import assemble_for_test, tick_alive
from support.stations import BIN, make_station

from edge.clock import NS_PER_S, VirtualClock
from edge.config.notify import Alerting
from edge.errors import ConfigError
from edge.health.faults import SPECS, FaultKind
from edge.health.state import State
from edge.notify.channels import NotifyMonitor, chosen_faults, open_channels
from edge.status.live import LiveView
from edge.types import Severity


class Ailing:
    """A channel that is told what is wrong with it."""

    name, place, trouble = "mail", "nowhere", ""

    def run(self, stop: Event) -> None:
        raise NotImplementedError

    def test(self) -> str:
        raise NotImplementedError


def test_only_a_trouble_that_lasts_is_a_fault_and_it_ends_with_the_trouble() -> None:
    channel = Ailing()
    monitor = NotifyMonitor([channel, Ailing()])
    channel.trouble = "mail.example.org:587 does not answer"
    assert list(monitor.faults(0)) == []
    assert list(monitor.faults(19 * NS_PER_S)) == []
    assert list(monitor.faults(20 * NS_PER_S)) == [
        (FaultKind.NOTIFY_DOWN, "mail: mail.example.org:587 does not answer")
    ]
    channel.trouble = ""
    assert list(monitor.faults(21 * NS_PER_S)) == []


def test_a_station_whose_messages_do_not_get_through_goes_on_sorting() -> None:
    assert SPECS[FaultKind.NOTIFY_DOWN].severity is Severity.WARNING
    clock = VirtualClock()
    notify = {"mqtt": {"host": "localhost", "port": 1}}
    built = assemble_for_test(make_station(BIN, notify=notify), clock)
    (channel,) = built.channels
    assert channel.trouble == ""
    setattr(channel, "trouble", "localhost:1 refuses connections")  # noqa: B010 - as its thread would
    for _ in range(250):
        clock.advance_to(clock.now() + NS_PER_S // 10)
        tick_alive(built, clock.now())
    assert built.health.state is State.DEGRADED
    assert not built.health.inhibited
    assert built.health.faults[0].text == (
        "Messages can't be delivered; sorting is not affected. (mqtt: localhost:1 refuses connections)"
    )


def test_severities_stand_for_all_their_faults() -> None:
    def chosen(*faults: str) -> frozenset[FaultKind]:
        return chosen_faults(Alerting(faults=faults), "notify.mail")

    assert chosen("fault") == {kind for kind, spec in SPECS.items() if spec.severity is Severity.FAULT}
    assert chosen("fault", "warning") == set(FaultKind)
    assert chosen("jam", "bin-full") == {FaultKind.JAM, FaultKind.BIN_FULL}


def test_a_fault_that_there_is_not_keeps_the_station_from_starting() -> None:
    mail = {"host": "localhost", "sender": "a@example.org", "to": ["b@example.org"], "faults": ["bin_full"]}
    station = make_station(BIN, notify={"mail": mail})
    with pytest.raises(
        ConfigError, match=r"notify\.mail\.faults: there is no fault 'bin_full'; did you mean 'bin-full'"
    ):
        open_channels(station, LiveView(VirtualClock()), VirtualClock())


def test_there_is_one_channel_for_each_way_and_none_without() -> None:
    mail = {"host": "localhost", "sender": "a@example.org", "to": ["b@example.org"]}
    hooks = [{"name": name, "url": "https://example.org/secret"} for name in ("office", "ntfy")]
    notify = {"mqtt": {"host": "broker", "tls": True}, "webhook": hooks, "mail": mail}
    clock = VirtualClock()
    channels = open_channels(make_station(BIN, notify=notify), LiveView(clock), clock)
    assert [(channel.name, channel.place) for channel in channels] == [
        ("mqtt", "broker:8883"),
        ("webhook office", "https://example.org:443"),
        ("webhook ntfy", "https://example.org:443"),
        ("mail", "b@example.org, by localhost:587"),
    ]
    assert open_channels(make_station(BIN), LiveView(clock), clock) == []
