"""The device's end of a push: killed anywhere it leaves a whole store, and a push after that goes on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.killed_at import killed_at
from support.stations import ALL_BUT_PAPER, BIN, make_station, station_in

from edge.bundle.archive import pack_bundle, read_bundle
from edge.bundle.version import version_order
from edge.clock import VirtualClock
from edge.config import Station
from edge.errors import BundleError
from edge.inference.classifier import open_shipped_bundle
from edge.models.fit import check_fit, homeless_labels
from edge.models.install import Device, prove
from edge.models.store import ModelStore
from edge.models.trust import Trust
from edge.models.verify import verify_store
from edge.tools.receive.session import Place, serve

GIB = 1 << 30


@pytest.fixture
def station(tmp_path: Path) -> Station:
    return station_in(tmp_path, BIN, inference={"allow_unsigned": True})


def device_at(folder: Path, station: Station, wall: float = 1.76e9, free: int = GIB) -> Device:
    return Device(
        ModelStore(folder), station, Trust(allow_unsigned=True), VirtualClock(wall_start=wall), lambda _: free
    )


def push_request(content: bytes, **changes: object) -> bytes:
    digest = read_bundle(content, "x").digest
    request = {"protocol": 1, "ask": "push", "digest": digest, "size": len(content), **changes}
    return json.dumps(request).encode() + b"\n"


def talk(device: Device, request: bytes, content: bytes, folder: Path) -> list[dict[str, Any]]:
    """One connection on which everything is sent at once; the events that came back."""
    (folder / "in").write_bytes(request + content)
    with (folder / "in").open("rb", buffering=0) as reader, (folder / "out").open("wb", buffering=0) as writer:
        serve(reader, writer, Place(device.store.folder, device.clock, lambda: device, device.free_bytes))
    return [json.loads(line) for line in (folder / "out").read_bytes().splitlines()]


def test_the_whole_conversation(tmp_path: Path, station: Station, tiny_bundle: Callable[..., bytes]) -> None:
    device, content = device_at(tmp_path / "store", station), tiny_bundle()
    events = talk(device, push_request(content), content, tmp_path)
    assert [event["event"] for event in events] == ["send", "stored", "done"]
    assert events[-1]["active"]
    (event,) = talk(device, push_request(content), b"", tmp_path)
    assert (event["event"], event["already"]) == ("done", True)
    status = json.dumps({"protocol": 1, "ask": "status"}).encode() + b"\n"
    (event,) = talk(device, status, b"", tmp_path)
    assert (event["station"], event["current_title"]) == ("line-1", "tiny-1.0")


@pytest.mark.parametrize(
    ("wish", "said"),
    [({"allow_downgrade": True}, "receive.allow_downgrade"), ({"probation": False}, "receive.allow_no_probation")],
)
def test_what_only_the_station_file_may_allow_is_refused_before_anything_is_sent(
    tmp_path: Path, station: Station, tiny_bundle: Callable[..., bytes], wish: dict[str, bool], said: str
) -> None:
    device, content = device_at(tmp_path / "store", station), tiny_bundle()
    (event,) = talk(device, push_request(content, **wish), content, tmp_path)
    assert said in event["message"]
    table, setting = said.split(".")
    allowing = station_in(tmp_path, BIN, inference={"allow_unsigned": True}, **{table: {setting: True}})
    leave = device_at(tmp_path / "store", allowing)
    done = talk(leave, push_request(content, **wish), content, tmp_path)[-1]
    assert done["active"]
    assert leave.store.active().probation is wish.get("probation", True)  # type: ignore[union-attr]


@pytest.mark.parametrize("wall", [0.0, 1.76e9 - 3.2e7, 4.1e9])
def test_a_clock_that_is_wrong_by_years_changes_nothing(
    tmp_path: Path, station: Station, tiny_bundle: Callable[..., bytes], wall: float
) -> None:
    right, wrong = (device_at(tmp_path / "store", station, wall=w) for w in (1.76e9, wall))
    for version, device in (("1.0", right), ("1.1", wrong), ("1.2", right)):
        content = tiny_bundle(version=version)
        events = talk(device, push_request(content), content, tmp_path)
        assert events[-1]["active"]
        assert right.store.active().current == events[-1]["digest"]  # type: ignore[union-attr]
    assert right.store.roll_back("", "").current == read_bundle(tiny_bundle(version="1.1"), "x").digest
    assert verify_store(right.store) == []


def test_too_little_room_is_said_before_anything_is_sent(
    tmp_path: Path, station: Station, tiny_bundle: Callable[..., bytes]
) -> None:
    device, content = device_at(tmp_path / "store", station, free=65 << 20), tiny_bundle()
    (event,) = talk(device_at(tmp_path / "store", station, free=64 << 20), push_request(content), content, tmp_path)
    assert (event["event"], event["kind"]) == ("error", "StoreError")
    assert "MiB free" in event["message"]
    assert talk(device, push_request(content), content, tmp_path)[-1]["event"] == "done"


def test_a_file_that_is_not_what_was_announced_is_forgotten(
    tmp_path: Path, station: Station, tiny_bundle: Callable[..., bytes]
) -> None:
    device, content, other = device_at(tmp_path / "store", station), tiny_bundle(), tiny_bundle(version="9.9")
    assert len(content) == len(other)
    events = talk(device, push_request(content), other, tmp_path)
    assert "it changed on the way" in events[-1]["message"]
    assert device.store.models() == []
    assert talk(device, push_request(content), content, tmp_path)[-1]["event"] == "done"


def test_unfinished_transfers_do_not_pile_up(
    tmp_path: Path, station: Station, tiny_bundle: Callable[..., bytes]
) -> None:
    device = device_at(tmp_path / "store", station)
    for number in range(9):
        content = tiny_bundle(version=f"1.{number}")
        events = talk(device, push_request(content), content[:1000], tmp_path)
        assert "1000 of" in events[-1]["message"]
    assert len(list((device.store.folder / "incoming").glob("*.part"))) == 4


def test_a_model_must_know_every_label_that_a_bin_waits_for(tiny_bundle: Callable[..., bytes]) -> None:
    station = make_station(BIN, bins={"residual": {"labels": ["glass", "organic"]}})
    with pytest.raises(BundleError, match=r"waits for 'organic', which this model does not know"):
        check_fit(read_bundle(tiny_bundle(), "x"), station)


def test_a_label_that_no_bin_names_is_taken_in(tiny_bundle: Callable[..., bytes]) -> None:
    station = make_station(BIN, bins={"residual": {"labels": ["glass"]}})
    assert homeless_labels(read_bundle(tiny_bundle(), "x"), station) == ["metal"]
    check_fit(read_bundle(tiny_bundle(), "x"), station)


def test_a_purity_that_the_thresholds_were_not_fitted_for_is_refused(tiny_bundle: Callable[..., bytes]) -> None:
    station = make_station(BIN, bins={"paper": {"min_purity": 0.9}})
    with pytest.raises(Exception, match=r"asks for a purity of 0\.9"):
        check_fit(read_bundle(tiny_bundle(), "x"), station)


def test_a_model_slower_than_the_budget_is_refused(
    tmp_path: Path, tiny_bundle: Callable[..., bytes], station: Station
) -> None:
    class SlowClock(VirtualClock):
        def now(self) -> int:
            self.advance_to(super().now() + 30_000_000)
            return super().now()

    slow = station.model_copy(update={"inference": station.inference.model_copy(update={"max_invoke_ms": 20.0})})
    device = Device(ModelStore(tmp_path / "store"), slow, Trust(allow_unsigned=True), SlowClock(), lambda _: GIB)
    with pytest.raises(Exception, match=r"at most 20 ms.*got 30\.0 ms"):
        prove(read_bundle(tiny_bundle(), "x"), device)


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("1.9", "1.10"),
        ("1.0", "1.0.1"),
        ("1.0rc1", "1.1"),
        ("0.9", "1.0"),
        ("1.0rc1", "1.0"),
        ("1.0.dev3", "1.0a1"),
        ("1.0", "1.0.post1"),
    ],
)
def test_versions_are_compared_number_by_number_and_candidates_come_before_what_they_become(
    older: str, newer: str
) -> None:
    assert version_order(older) < version_order(newer)


# -- killed at every step --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_receiver_killed_before_any_line_leaves_a_whole_store_and_a_push_goes_on(
    tmp_path: Path, station: Station, tiny_bundle: Callable[..., bytes]
) -> None:
    first, second = tiny_bundle(version="1.0"), tiny_bundle(version="1.1")
    clean = device_at(tmp_path / "clean", station)
    talk(clean, push_request(first), first, tmp_path)
    known = {read_bundle(content, "x").digest for content in (first, second)}
    step, killed, folder = 0, True, tmp_path / "store"
    while killed:
        step += 37
        shutil.copytree(clean.store.folder, folder, symlinks=True)
        device = device_at(folder, station)
        killed = killed_at(
            step,
            lambda: talk(device_at(folder, station), push_request(second), second, tmp_path),
            r"edge/(models/|tools/receive/|system/files\.py)",
        )
        generation = device.store.active()
        assert generation is not None
        assert generation.current in known
        assert verify_store(device.store) == []
        offset = len(second) if killed else 0
        part = folder / "incoming" / f"{read_bundle(second, 'x').digest}.part"
        rest = second[part.stat().st_size :] if part.exists() else second[:offset]
        events = talk(device, push_request(second), rest, tmp_path)
        assert events[-1]["event"] == "done"
        assert events[-1]["active"]
        shutil.rmtree(folder)
    assert step > 100


def test_the_first_model_of_all_can_come_back_to_the_shipped_one(
    tmp_path: Path, tiny_bundle: Callable[..., bytes]
) -> None:
    changes = {"inference": {"allow_unsigned": True}, "bins": {"residual": {"labels": ALL_BUT_PAPER}}}
    station = station_in(tmp_path, BIN, **changes)
    device = device_at(tmp_path / "store", station)
    shipped = open_shipped_bundle()
    members = {name: content for name, content in shipped.members.items() if name not in ("manifest.json", "signature")}
    newer = pack_bundle(shipped.manifest.model_copy(update={"version": "99.0"}), members)
    assert talk(device, push_request(newer), newer, tmp_path)[-1]["active"]
    generation = device.store.active()
    assert generation is not None
    assert generation.previous == shipped.digest
    assert device.store.roll_back("by hand", "").current == shipped.digest
