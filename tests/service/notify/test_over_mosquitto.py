"""A station that runs, a real broker, and somebody who listens there as Home Assistant does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from support.home_assistant import read_discovery, show, show_attributes
from support.notify_servers import ACCOUNT, Broker, told
from support.stations import BELT, make_station, write_station

from edge.station.build import build_station
from edge.station.runtime import Runtime
from edge.status.snapshot import SeenPurity

pytestmark = [pytest.mark.realtime, pytest.mark.slow]

AT_MOST_S = 120.0
TOPIC, ANNOUNCED = "edge-sorter/belt", "homeassistant/device/edge-sorter-belt/config"
# A bin that is full after its first item, until somebody resets it.
SMALL_BIN = {"bins": {"glass": {"capacity": 1}}}

Heard = SimpleQueue[dict[str, Any]]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path / "broker")
    broker.start()
    yield broker
    broker.stop()


def settings(broker: Broker, folder: Path, **more: Any) -> dict[str, Any]:
    password = folder / "password"
    password.write_text(ACCOUNT[1])
    password.chmod(0o600)
    own = {"host": "localhost", "port": broker.port, "username": ACCOUNT[0], "password_file": str(password)}
    return {"mqtt": own | more}


@contextmanager
def running(broker: Broker, folder: Path, *, commands: bool = False, **changes: Any) -> Iterator[Runtime]:
    notify = settings(broker, folder, commands=commands)
    station = make_station(BELT, state_folder=folder / "state", notify=notify, **changes)
    runtime = Runtime(build_station(station))
    thread = threading.Thread(target=runtime.run, args=(AT_MOST_S,))
    thread.start()
    try:
        yield runtime
    finally:
        runtime.stop()
        thread.join(AT_MOST_S)
        assert not thread.is_alive()


def state(heard: Heard, wanted: str) -> str:
    """Wait for a state message in which something is written."""
    message = told(heard, lambda message: message["topic"] == f"{TOPIC}/state" and wanted in message["payload"])
    return str(message["payload"])


def is_available(heard: Heard, word: str) -> dict[str, Any]:
    return dict(told(heard, lambda m: m["topic"] == f"{TOPIC}/availability" and m["payload"] == word))


def test_home_assistant_finds_the_station_sees_it_sort_and_sees_it_end(broker: Broker, tmp_path: Path) -> None:
    heard = broker.listen()
    with running(broker, tmp_path, **SMALL_BIN):
        announcement = told(heard, lambda message: message["topic"] == ANNOUNCED)
        message = read_discovery(ANNOUNCED, announcement["payload"])
        is_available(heard, "online")
        shown = show(message, state(heard, '"fault": "bin-full"'))
        assert shown["State"] == "degraded"
        assert shown["Bin glass full"] == shown["Problem"] == "ON"
        assert shown["Bin glass level"] == "100"
        assert int(shown["Items"]) >= int(shown["Bin glass"]) >= 1
        assert shown["Last item"] != "None"
    is_available(heard, "offline")
    kept = broker.listen()
    assert is_available(kept, "offline")["retain"] == 1
    assert '"state": ' in state(kept, "")


def test_home_assistant_is_told_a_bins_purity_once_people_have_labelled(broker: Broker, tmp_path: Path) -> None:
    heard = broker.listen()
    with running(broker, tmp_path) as runtime:
        message = read_discovery(ANNOUNCED, told(heard, lambda message: message["topic"] == ANNOUNCED)["payload"])
        assert show(message, state(heard, '"state": "running"'))["Bin glass purity"] == "None"
        seen = SeenPurity(0.95, 0.84, 0.99, 40, 0, 1_767_225_600.0, 12)
        runtime.station.reporting.live.publish_purity({"glass": seen})
        later = state(heard, '"unlabelled": 12')
        assert show(message, later)["Bin glass purity"] == "95.0"
        assert show_attributes(message, later)["Bin glass purity"]["low_percent"] == 84.0


def test_it_announces_itself_again_when_home_assistant_has_started(broker: Broker, tmp_path: Path) -> None:
    heard = broker.listen()
    with running(broker, tmp_path):
        first = told(heard, lambda message: message["topic"] == ANNOUNCED)
        state(heard, '"state": "running"')
        broker.publish("homeassistant/status", "offline")
        broker.publish("homeassistant/status", "online")
        again = told(heard, lambda message: message["topic"] == ANNOUNCED)
        assert again["payload"] == first["payload"]
        is_available(heard, "online")


def test_a_broker_that_comes_back_is_told_everything_anew(broker: Broker, tmp_path: Path) -> None:
    heard = broker.listen()
    with running(broker, tmp_path):
        state(heard, '"state": "running"')
        broker.stop()
        broker.start()
        heard = broker.listen()
        is_available(heard, "online")
        state(heard, '"state": "running"')


def test_a_station_that_is_killed_is_gone_by_its_last_will(broker: Broker, tmp_path: Path) -> None:
    heard = broker.listen()
    path = write_station(tmp_path, BELT, state_folder="state", notify=settings(broker, tmp_path))
    process = subprocess.Popen([sys.executable, "-m", "edge", "run", "--station", path], start_new_session=True)
    try:
        state(heard, '"state": "running"')
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    is_available(heard, "offline")


def test_with_commands_the_broker_pauses_resumes_and_resets(broker: Broker, tmp_path: Path) -> None:
    heard = broker.listen()
    with running(broker, tmp_path, commands=True, **SMALL_BIN):
        state(heard, '"fault": "bin-full"')
        broker.publish(f"{TOPIC}/command", "pause")
        assert '"paused_by": "MQTT"' in state(heard, '"state": "stopped"')
        broker.publish(f"{TOPIC}/command", "PAUSE; rm -rf /")
        broker.publish(f"{TOPIC}/command", "reset")
        state(heard, '"faults": []')
        broker.publish(f"{TOPIC}/command", "resume")
        assert '"paused_by": ""' in state(heard, '"state": "running"')


def test_a_command_that_the_broker_kept_is_not_obeyed(broker: Broker, tmp_path: Path) -> None:
    broker.publish(f"{TOPIC}/command", "pause", retain=True)
    heard = broker.listen()
    with running(broker, tmp_path, commands=True) as runtime:
        state(heard, '"state": "running"')
        _wait_until_it_has_listened(broker, heard)
        assert runtime.station.health.hold.paused_by == ""


def test_without_commands_nobody_at_the_broker_stops_the_station(broker: Broker, tmp_path: Path) -> None:
    heard = broker.listen()
    with running(broker, tmp_path) as runtime:
        state(heard, '"state": "running"')
        broker.publish(f"{TOPIC}/command", "pause")
        _wait_until_it_has_listened(broker, heard)
        assert runtime.station.health.hold.paused_by == ""


def _wait_until_it_has_listened(broker: Broker, heard: Heard) -> None:
    """What came to the station before this has been dealt with: messages are in order."""
    broker.publish("homeassistant/status", "online")
    told(heard, lambda message: message["topic"] == ANNOUNCED)
