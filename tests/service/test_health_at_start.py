"""What is found damaged when the service comes up: set aside, named, and the rest goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edge.bundle.archive import read_bundle
from edge.calibrate.files import FILE_NAME
from edge.calibrate.salvage import load_or_set_aside
from edge.changeover import Changeover
from edge.clock import VirtualClock
from edge.config import load_station
from edge.errors import CalibrationError
from edge.faults import FaultKind
from edge.health import State
from edge.service.latch import EstopLatch
from edge.store.install import Device, activate, prove
from edge.store.models import ModelStore
from edge.store.trust import Trust
from edge.types import Event
from edge.wiring import build_runtime

STATION = """
name = "line-1"
kind = "bin"
state_folder = "state"
camera = {type = "simulated"}
page = {enabled = false}
actuators = [{name = "flap", type = "digital", pin = 17}]
bins = [
  {name = "paper", labels = ["paper"], actuator = "flap"},
  {name = "residual", labels = ["glass", "metal"]},
]
inference = {allow_unsigned = true}
"""


@pytest.mark.parametrize(
    "content", [b"\x00\xff\x13", b"format_version = 1\nstation = ", b"format_version = 1\n[camera]\nof=3"]
)
def test_a_damaged_calibration_is_set_aside(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    assert load_or_set_aside(tmp_path) == (None, True)
    assert (tmp_path / f"damaged-{FILE_NAME}").read_bytes() == content
    assert load_or_set_aside(tmp_path) == (None, False)


def test_a_calibration_of_a_newer_program_stays(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("format_version = 99\n")
    with pytest.raises(CalibrationError, match="newer"):
        load_or_set_aside(tmp_path)
    assert (tmp_path / FILE_NAME).exists()


def test_the_service_comes_up_without_its_calibration_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "station.toml").write_text(STATION)
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / FILE_NAME).write_bytes(b"\x00" * 100)
    runtime = build_runtime(load_station(tmp_path / "station.toml"))
    health = runtime.parts.health
    runtime.parts.journal.close()
    assert [fault.kind for fault in health.faults] == [FaultKind.CALIBRATION_DAMAGED]
    health.beat(runtime.parts.clock.now())
    assert health.state is State.DEGRADED


def test_a_folder_in_the_calibrations_place_is_set_aside(tmp_path: Path) -> None:
    for _ in range(2):
        (tmp_path / FILE_NAME).mkdir()
        (tmp_path / FILE_NAME / "inside").touch()
        assert load_or_set_aside(tmp_path) == (None, True)
        assert (tmp_path / f"damaged-{FILE_NAME}" / "inside").exists()


def test_bin_levels_that_can_not_be_read_are_named(tmp_path: Path) -> None:
    counted = STATION.replace('labels = ["paper"]', 'labels = ["paper"], capacity = 9')
    assert counted != STATION
    (tmp_path / "station.toml").write_text(counted)
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "bin-levels.json").write_bytes(b"")
    runtime = build_runtime(load_station(tmp_path / "station.toml"))
    runtime.parts.journal.close()
    assert [fault.kind for fault in runtime.parts.health.faults] == [FaultKind.BIN_LEVELS_DAMAGED]


def test_a_latch_that_is_no_file_holds_the_station_and_a_reset_ends_it(tmp_path: Path) -> None:
    (tmp_path / "emergency-stop").mkdir()
    latch = EstopLatch(tmp_path)
    assert latch.is_set
    latch.keep(stopped=False)
    assert not latch.is_set
    assert not EstopLatch(tmp_path).is_set


@pytest.mark.parametrize("name", ["active", "active/about.json"])
def test_a_store_that_can_not_be_read_is_named_and_the_shipped_model_sorts(tmp_path: Path, name: str) -> None:
    (tmp_path / "station.toml").write_text(STATION)
    place = tmp_path / "store" / name
    place.parent.mkdir(parents=True)
    place.write_bytes(b"garbage")
    changeover = Changeover(ModelStore(tmp_path / "store"), load_station(tmp_path / "station.toml"), VirtualClock(), "")
    events: list[Event] = []
    serving = changeover.begin()
    changeover.tell = events.append
    changeover.turn()
    serving.classifier.close()
    assert serving.generation is None
    assert [event.code for event in events] == [FaultKind.MODEL_DAMAGED]


def test_a_damaged_model_is_replaced_by_the_shipped_one_and_named(
    tmp_path: Path, tiny_bundle: Callable[..., bytes]
) -> None:
    (tmp_path / "station.toml").write_text(STATION)
    station = load_station(tmp_path / "station.toml")
    store, clock = ModelStore(tmp_path / "store"), VirtualClock()
    bundle = read_bundle(tiny_bundle(), "tiny")
    device = Device(store, station, Trust(allow_unsigned=True), clock)
    store.add(tiny_bundle(), prove(bundle, device))
    activate(device, bundle.digest, "test", False)
    path = store.bundle_path(bundle.digest)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-100])
    events: list[Event] = []
    changeover = Changeover(store, station, clock, "boot")
    serving = changeover.begin()
    changeover.tell = events.append
    changeover.turn()
    assert serving.generation is None
    assert FaultKind.MODEL_DAMAGED in [event.code for event in events]
