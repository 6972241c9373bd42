"""What is found damaged when the service comes up: set aside, named, and the rest goes on."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.stations import BIN, station_in, varied, write_station
from support.switching import start_switcher

from edge.bundle.archive import read_bundle
from edge.clock import VirtualClock
from edge.config import Station, load_station
from edge.config.calibration.files import FILE_NAME, save_calibration
from edge.config.calibration.overlay import step_digest
from edge.config.calibration.record import Calibration, DiverterStep
from edge.config.calibration.recover import load_or_quarantine
from edge.devices.actuators.actuator_type import SafeOutput
from edge.errors import CalibrationError, SetupError
from edge.health.faults import FaultKind
from edge.health.state import State
from edge.inference.classifier import open_shipped_bundle
from edge.models.install import Device, activate, prove
from edge.models.loader import ActiveModel
from edge.models.store import ModelStore
from edge.models.trust import Trust
from edge.station.assembled import AssembledStation
from edge.station.build import build_station
from edge.station.stops.latch import EstopLatch
from edge.station.stops.safe_outputs import read_safe_outputs
from edge.types import Event

LINE = varied(
    BIN,
    {
        "state_folder": "state",
        "camera": {"type": "simulated"},
        "page": {"enabled": False},
        "inference": {"allow_unsigned": True},
    },
)
ARM = {"type": "servo", "pin": 18, "safe_us": 1500, "positions_us": {"out": 1700}, "max_us": 1800}


def found_at_start(built: AssembledStation) -> list[FaultKind]:
    """What the supervisor reports with its first tick."""
    built.supervisor.tick(built.clock.now())
    assert built.reporting.journal is not None
    built.reporting.journal.close()
    built.slot.close()
    return [fault.kind for fault in built.health.faults]


def beside(folder: Path) -> Station:
    """The station, with its state beside its file."""
    return station_in(folder, LINE, state_folder=".")


def with_arm(folder: Path, state_folder: str) -> Station:
    paper = {"actuator": "arm", "position": "out"}
    changes = {"actuators": {"flap": None, "arm": ARM}, "bins": {"paper": paper}}
    return station_in(folder, LINE, state_folder=state_folder, **changes)


@pytest.mark.parametrize(
    "content", [b"\x00\xff\x13", b"format_version = 1\nstation = ", b"format_version = 1\n[camera]\nof=3"]
)
def test_a_damaged_calibration_is_set_aside(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    assert load_or_quarantine(beside(tmp_path)) == (None, True)
    assert (tmp_path / f"damaged-{FILE_NAME}").read_bytes() == content
    assert load_or_quarantine(beside(tmp_path)) == (None, False)


def arm_measured(station: Station, **found: Any) -> Calibration:
    step = DiverterStep(
        measured_at="2026-01-02T03:04:05Z", of=step_digest(station, "diverters", "arm"), lead_ms=80.0,
        lead_spread_ms=1.0, return_ms=90.0, repeats=5, **found,
    )  # fmt: skip
    return Calibration(station=station.name, diverters={"arm": step})


@pytest.mark.parametrize(
    "value", ["1e308", "nan", "inf", "-1", "19999", "2501", "499", "true", "99999999999999999999", "1500.5"]
)
def test_a_calibration_with_a_pulse_that_no_servo_has_is_set_aside(tmp_path: Path, value: str) -> None:
    station = with_arm(tmp_path, ".")
    save_calibration(tmp_path, arm_measured(station, safe_us=1501), "1")
    whole = (tmp_path / FILE_NAME).read_text()
    assert load_or_quarantine(station)[1] is False
    (tmp_path / FILE_NAME).write_text(whole.replace("safe_us = 1501", f"safe_us = {value}"))
    assert load_or_quarantine(station) == (None, True)
    assert value in (tmp_path / f"damaged-{FILE_NAME}").read_text()


def test_the_service_comes_up_when_a_calibrated_pulse_is_beyond_the_servos_limits(tmp_path: Path) -> None:
    station = with_arm(tmp_path, "state")
    save_calibration(station.state_folder, arm_measured(station, positions_us={"out": 1900}), "1")
    built = build_station(station)
    assert found_at_start(built) == [FaultKind.CALIBRATION_DAMAGED]
    assert (station.state_folder / f"damaged-{FILE_NAME}").exists()


@pytest.mark.parametrize(
    "put", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), lambda path: path.symlink_to("no")]
)
def test_what_is_no_file_in_the_calibrations_place_is_set_aside(tmp_path: Path, put: Callable[[Path], None]) -> None:
    station = beside(tmp_path)
    put(tmp_path / FILE_NAME)
    assert load_or_quarantine(station) == (None, True)
    assert not (tmp_path / FILE_NAME).is_symlink()


def test_a_calibration_of_a_newer_program_stays(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("format_version = 99\n")
    with pytest.raises(CalibrationError, match="newer"):
        load_or_quarantine(beside(tmp_path))
    assert (tmp_path / FILE_NAME).exists()


def test_the_service_comes_up_without_its_calibration_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / FILE_NAME).write_bytes(b"\x00" * 100)
    built = build_station(station_in(tmp_path, LINE))
    assert found_at_start(built) == [FaultKind.CALIBRATION_DAMAGED]
    built.health.beat(built.clock.now())
    assert built.health.state is State.DEGRADED


def test_a_folder_in_the_calibrations_place_is_set_aside(tmp_path: Path) -> None:
    for _ in range(2):
        (tmp_path / FILE_NAME).mkdir()
        (tmp_path / FILE_NAME / "inside").touch()
        assert load_or_quarantine(beside(tmp_path)) == (None, True)
        assert (tmp_path / f"damaged-{FILE_NAME}" / "inside").exists()


def test_bin_levels_that_can_not_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "bin-levels.json").write_bytes(b"")
    built = build_station(station_in(tmp_path, LINE, bins={"paper": {"capacity": 9}}))
    assert found_at_start(built) == [FaultKind.BIN_LEVELS_DAMAGED]


def test_a_latch_that_is_no_file_holds_the_station_and_a_reset_ends_it(tmp_path: Path) -> None:
    (tmp_path / "emergency-stop").mkdir()
    latch = EstopLatch(tmp_path)
    assert latch.is_set
    latch.save(stopped=False)
    assert not latch.is_set
    assert not EstopLatch(tmp_path).is_set


@pytest.mark.parametrize("name", ["active", "active/about.json"])
def test_a_store_that_can_not_be_read_is_named_and_the_shipped_model_sorts(tmp_path: Path, name: str) -> None:
    place = tmp_path / "store" / name
    place.parent.mkdir(parents=True)
    place.write_bytes(b"garbage")
    events: list[Event] = []
    works: list[ActiveModel] = []
    station = station_in(tmp_path, LINE)
    switcher = start_switcher(ModelStore(tmp_path / "store"), station, VirtualClock(), works.append, events.append, "")
    switcher.tick()
    works[0].classifier.close()
    assert works[0].generation is None
    assert [event.code for event in events] == [FaultKind.MODEL_DAMAGED]
    assert list(switcher.faults(0)) == [(FaultKind.MODEL_DAMAGED, "")]
    switcher.on_reset(after_stop=False)
    assert list(switcher.faults(0)) == []


def test_a_damaged_model_is_replaced_by_the_shipped_one_and_named(
    tmp_path: Path, tiny_bundle: Callable[..., bytes]
) -> None:
    station = station_in(tmp_path, LINE)
    store, clock = ModelStore(tmp_path / "store"), VirtualClock()
    bundle = read_bundle(tiny_bundle(), "tiny")
    device = Device(store, station, Trust(allow_unsigned=True), clock)
    store.add(tiny_bundle(), prove(bundle, device))
    activate(device, bundle.digest, "test", False)
    path = store.bundle_path(bundle.digest)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-100])
    events: list[Event] = []
    works: list[ActiveModel] = []
    start_switcher(store, station, clock, works.append, events.append).tick()
    serving = works[0]
    serving.classifier.close()
    assert serving.bundle.digest == open_shipped_bundle().digest
    assert serving.generation == store.active()
    assert FaultKind.MODEL_DAMAGED in [event.code for event in events]


def test_a_live_station_notes_its_outputs_before_it_opens_a_pin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here no pin can be opened; on a Pi the process might be killed in that very moment, and its file be changed."""
    path = write_station(tmp_path, LINE, camera={"type": "v4l2"})
    monkeypatch.setitem(sys.modules, "lgpio", None)
    monkeypatch.delitem(sys.modules, "edge.devices.gpio.lgpio_pins", raising=False)
    monkeypatch.delitem(sys.modules, "gpiozero.pins.lgpio", raising=False)
    station = load_station(path)
    with pytest.raises(SetupError):
        build_station(station)
    path.unlink()
    monkeypatch.setenv("STATE_DIRECTORY", str(station.state_folder))
    assert read_safe_outputs(path).outputs == [SafeOutput("flap", {17: False})]
