"""What a person who signed in on the page has a running station do, as its own buttons and commands would."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from support.page import sign_in
from support.running import SWITCHED, WELL, Running, running
from support.stations import make_station

from edge.bundle.archive import read_bundle
from edge.clock import SystemClock
from edge.health.faults import FaultKind
from edge.health.state import State
from edge.inference.classifier import shipped_bundle_path
from edge.journal.reading import EventRecord, Query, read_all
from edge.models.install import Device, activate, prove
from edge.models.select import open_store
from edge.models.trust import Trust

WHO = "127.0.0.1 on the page"
FLAP = 17


def told(folder: Path, kind: str) -> list[str]:
    return [row.text for row in read_all(folder / "journal.db", EventRecord, Query()) if row.kind == kind]


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[Running, httpx.Client]]:
    changes = {"bins": {"glass": {"capacity": 3}, "residual": {"full_pin": 26}}}
    with running(tmp_path, **changes) as station, httpx.Client(base_url=station.url, timeout=30) as client:
        station.wait_for(*WELL)
        sign_in(client, tmp_path)
        yield station, client


def test_a_diverter_moves_by_hand_once_and_only_at_a_stopped_station(
    web: tuple[Running, httpx.Client], tmp_path: Path
) -> None:
    station, client = web
    refused = client.post("/jog", json={"actuator": "flap"})
    assert (refused.status_code, "stop sorting first" in refused.text) == (409, True)
    client.post("/pause", json={})
    station.wait_for(State.STOPPED)
    assert client.post("/jog", json={"actuator": "flap"}).status_code == 200
    assert station.station.environment.pins.pin(FLAP).state
    station.wait_until(lambda: not station.station.environment.pins.pin(FLAP).state)
    assert client.post("/jog", json={"actuator": "none"}).status_code == 409
    assert client.post("/jog", json={"actuator": "flap", "position": "left"}).status_code == 409
    assert station.station.schedule.inhibited
    station.end()
    assert told(tmp_path, "jog") == [f"The diverter flap was moved by {WHO}."]


def test_the_emergency_stop_ends_a_jog_and_takes_no_other(web: tuple[Running, httpx.Client]) -> None:
    station, client = web
    client.post("/pause", json={})
    station.wait_for(State.STOPPED)
    assert client.post("/jog", json={"actuator": "flap"}).status_code == 200
    station.station.safe_state.emergency_stop()
    assert not station.station.environment.pins.pin(FLAP).state
    assert client.post("/jog", json={"actuator": "flap"}).status_code == 409
    refused = client.post("/reset", json={})
    assert (refused.status_code, "press reset at the station" in refused.text) == (409, True)
    assert not station.station.environment.pins.pin(FLAP).state


def test_a_bin_that_a_person_emptied_is_counted_from_nothing(web: tuple[Running, httpx.Client], tmp_path: Path) -> None:
    station, client = web
    levels = station.station.reporting.levels
    for _ in range(3):
        levels.count_item("glass")
    station.wait_for(State.DEGRADED)
    fault = next(fault for fault in client.get("/api/status").json()["faults"] if fault["code"] == "bin-full")
    assert (fault["ended_by"], fault["detail"]) == ("/emptied", "glass")
    client.post("/pause", json={})
    assert client.post("/emptied", json={"bin": "glass"}).status_code == 200
    assert levels.counts["glass"] == 0
    assert client.post("/emptied", json={"bin": "paper"}).status_code == 409
    refused = client.post("/emptied", json={"bin": "residual"})
    assert (refused.status_code, "has a level sensor" in refused.text) == (409, True)
    assert client.post("/emptied", json={}).status_code == 400
    station.wait_for(State.STOPPED)
    assert FaultKind.BIN_FULL not in {fault.kind for fault in station.station.health.faults}
    station.end()
    assert told(tmp_path, "emptied") == [f"The bin glass was emptied, says {WHO}."]


def test_a_reset_ends_what_was_seen_to(tmp_path: Path) -> None:
    (tmp_path / "bin-levels.json").write_text("damaged")
    with running(tmp_path) as station, httpx.Client(base_url=station.url, timeout=30) as web:
        station.wait_for(State.DEGRADED)
        assert [fault["ended_by"] for fault in web.get("/api/status").json()["faults"]] == ["/reset"]
        sign_in(web, tmp_path)
        assert web.post("/reset", json={}).status_code == 200
        station.wait_for(*WELL)
    assert told(tmp_path, "reset") == [f"Reset by {WHO}.", "A person's reset ends: bin-levels-damaged."]


def test_a_person_comes_back_to_the_model_before(tmp_path: Path, tiny_bundle: Callable[..., bytes]) -> None:
    allowed = {"allow_unsigned": True}
    device = Device(
        open_store(make_station(SWITCHED, state_folder=tmp_path, inference=allowed)),
        make_station(SWITCHED, state_folder=tmp_path, inference=allowed),
        Trust(allow_unsigned=True),
        SystemClock(),
    )
    for version in ("1.0", "1.1"):
        content = tiny_bundle(version=version)
        bundle = read_bundle(content, version)
        device.store.add(content, prove(bundle, device))
        activate(device, bundle.digest, "test", probation=False)
    with running(tmp_path, inference=allowed) as station, httpx.Client(base_url=station.url, timeout=30) as web:
        station.wait_for(*WELL)
        sign_in(web, tmp_path)
        choice = web.get("/api/models").json()
        assert (choice["current"], choice["previous"]) == ("tiny-1.1", "tiny-1.0")
        assert web.post("/roll-back", json={"generation": choice["generation"] + 1}).status_code == 409
        answer = web.post("/roll-back", json={"generation": choice["generation"]})
        assert answer.json()["current"] == "tiny-1.0"
        assert web.post("/roll-back", json={"generation": choice["generation"]}).status_code == 409  # pressed twice
        station.wait_until(lambda: web.get("/api/status").json()["model"]["version"] == "1.0")
    assert any(f"at work: rolled back by {WHO}" in text for text in told(tmp_path, "model"))


def test_a_model_that_the_station_file_names_stays(tmp_path: Path) -> None:
    named = {"bundle": str(shipped_bundle_path())}
    with running(tmp_path, inference=named) as station, httpx.Client(base_url=station.url, timeout=30) as web:
        sign_in(web, tmp_path)
        assert web.get("/api/models").status_code == 409
        refused = web.post("/roll-back", json={"generation": 1})
        assert (refused.status_code, "names one model" in refused.text) == (409, True)
