"""Servers that take a connection and never say a word hold up nobody but the threads that talk to them."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.running import run_until
from support.stations import BELT, make_station

from edge.clock import NS_PER_S
from edge.health.faults import FaultKind
from edge.notify.channel import CONNECT_S
from edge.station.build import build_station
from edge.station.runtime import Runtime

pytestmark = [pytest.mark.realtime, pytest.mark.slow]

# What would be raised if a thread of the control path waited for a server as long as its channel does.
LATE = {FaultKind.CAMERA_STALLED, FaultKind.ACTUATOR_HUNG, FaultKind.JOURNAL_SLOW, FaultKind.CLASSIFIER_STUCK}


@pytest.fixture
def silent_ports() -> Iterator[list[int]]:
    with ExitStack() as open_sockets:
        listening = [open_sockets.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(3)]
        yield [one.getsockname()[1] for one in listening]


def test_a_station_sorts_on_and_says_what_does_not_answer(silent_ports: list[int], tmp_path: Path) -> None:
    mqtt, hook, mail = silent_ports
    people = {"sender": "belt@example.org", "to": ["technician@example.org"]}
    told = {"after_s": 0, "faults": ["bin-full"]}
    notify = {
        "mqtt": {"host": "localhost", "port": mqtt},
        "webhook": [{"name": "office", "url": f"http://localhost:{hook}/", **told}],
        "mail": {"host": "localhost", "port": mail, "security": "none", **people, **told},
    }
    station = make_station(BELT, state_folder=tmp_path, notify=notify, bins={"glass": {"capacity": 1}})
    runtime = Runtime(build_station(station))
    health, channels = runtime.station.health, runtime.station.channels
    run_until(runtime, lambda: all("does not answer" in channel.trouble for channel in channels))
    assert runtime.station.reporting.live.snapshot().total > 0
    assert LATE.isdisjoint(health.counts)
    assert runtime.station.health.limits.stall < CONNECT_S * NS_PER_S
