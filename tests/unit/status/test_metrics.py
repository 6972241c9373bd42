"""What Prometheus reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from prometheus_client import REGISTRY, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from support.stations import YARD, make_station

from edge import __version__
from edge.clock import VirtualClock, ms
from edge.config.calibration.record import Calibration, CameraStep, DiverterStep
from edge.health.faults import SPECS, Fault, FaultKind
from edge.health.monitors.machine import MachineState
from edge.health.state import State
from edge.line import Outcome
from edge.status.live import LiveView
from edge.status.metrics import build_registry, read_disk_free
from edge.types import Actuation, Box, Crop, Decision, Frame, Item, Reason, Stroke

STATION = make_station(YARD, bins={"glass": {"capacity": 40}}, region={"x": 320, "y": 0, "width": 320})
BOX = Box(10, 10, 20, 20)


def scrape(live: LiveView) -> str:
    return generate_latest(build_registry(live, STATION, lambda: 5_000_000)).decode()


def read(live: LiveView) -> dict[str, float]:
    """Scrape; the keys are `name{label=value,...}`."""
    return {
        f"{sample.name}{{{','.join(f'{k}={v}' for k, v in sorted(sample.labels.items()))}}}": sample.value
        for family in text_string_to_metric_families(scrape(live))
        for sample in family.samples
    }


def calibration() -> Calibration:
    """A camera that was measured on one day, and two flaps on others."""
    camera = CameraStep(
        measured_at="2026-05-01T08:00:00+00:00", of="", identity="camera", x=0, y=0, width=64, height=48, focus=0.4,
        brightness=118.0, brightness_spread=0.5,
    )  # fmt: skip
    flaps = {
        name: DiverterStep(measured_at=day, of="", lead_ms=40, lead_spread_ms=1, return_ms=60, repeats=5)
        for name, day in (("flap-glass", "2026-05-03T08:00:00+02:00"), ("flap-metal", "2026-05-02T08:00:00"))
    }
    return Calibration(station="yard", camera=camera, diverters=flaps)


def busy_station() -> LiveView:
    """A second after an item was sorted, with something to tell of each figure."""
    clock = VirtualClock()
    live = LiveView(clock, ("waste", "1.0"), calibration())
    pixels = np.zeros((480, 640, 3), np.uint8)
    pixels[:, 320:] = 200  # the region, half of the picture
    actuation = Actuation("flap-glass", clock.now() + ms(300), clock.now() + ms(400), (1,))
    decision = Decision(1, "glass", Reason.SORTED, clock.now(), "glass", 0.9)
    crop = Crop(pixels, BOX, clock.now(), 120.0, 1.0)
    live.publish_frame(Frame(pixels, clock.now(), 1), ())
    live.publish_outcome(Outcome(Item(1, clock.now() - ms(30), (crop,)), None, decision, actuation, ms(15)))
    live.publish_stroke(Stroke(actuation, 1, 2))
    live.publish_state(State.DEGRADED, [Fault(FaultKind.HOT, 0, ""), Fault(FaultKind.BIN_FULL, 0, "metal")])
    live.publish_machine(MachineState(temperature_c=81.5, throttled=True, under_voltage=False))
    live.publish_journal({"stored": 7, "waiting": 2, "lost": 1})
    live.publish_levels({"glass": 12})
    clock.advance_to(clock.now() + ms(1000))
    return live


def test_figures_of_a_station() -> None:
    figures = read(busy_station())
    expected = {
        f"sorter_build_info{{version={__version__}}}": 1,
        "sorter_station_info{camera=simulated,kind=conveyor,name=yard}": 1,
        "sorter_model_info{name=waste,version=1.0}": 1,
        "sorter_state{state=degraded}": 1,
        "sorter_state{state=running}": 0,
        "sorter_fault{kind=hot,severity=warning}": 1,
        "sorter_fault{kind=jam,severity=fault}": 0,
        "sorter_journal_rows_total{outcome=stored}": 7,
        "sorter_journal_rows_total{outcome=lost}": 1,
        "sorter_journal_waiting_rows{}": 2,
        "sorter_items_total{bin=glass,reason=sorted}": 1,
        "sorter_predictions_total{label=glass}": 1,
        "sorter_strokes_total{actuator=flap-glass,outcome=fired}": 1,
        "sorter_bin_items{bin=glass}": 12,
        "sorter_bin_capacity_items{bin=glass}": 40,
        "sorter_bin_full{bin=glass}": 0,
        "sorter_bin_full{bin=metal}": 1,
        "sorter_bin_full{bin=residual}": 0,
        "sorter_decision_latency_seconds_bucket{le=0.02}": 0,
        "sorter_decision_latency_seconds_bucket{le=0.05}": 1,
        "sorter_decision_latency_seconds_count{}": 1,
        "sorter_decision_latency_seconds_sum{}": 0.03,
        "sorter_spare_time_seconds_sum{}": 0.3,
        "sorter_newest_frame_age_seconds{}": 1,
        "sorter_picture_brightness{}": 200,
        "sorter_calibration_brightness{}": 118,
        "sorter_crop_sharpness_count{}": 1,
        "sorter_crop_sharpness_sum{}": 120,
        "sorter_temperature_celsius{}": 81.5,
        "sorter_throttled{}": 1,
        "sorter_under_voltage{}": 0,
        "sorter_disk_free_bytes{}": 5_000_000,
    }
    assert {key: figures.get(key) for key in expected} == expected
    assert figures["process_open_fds{}"] > 0
    assert figures["process_start_time_seconds{}"] > 0


def test_a_step_s_age_is_that_of_its_oldest_measurement_and_a_date_without_a_zone_is_utc() -> None:
    figures = read(busy_station())
    told = {name: value for name, value in figures.items() if name.startswith("sorter_calibration_timestamp_seconds")}
    first_of_may = 1_777_622_400  # 8 o'clock in UTC
    assert told == {
        "sorter_calibration_timestamp_seconds{step=camera}": first_of_may,
        "sorter_calibration_timestamp_seconds{step=diverters}": first_of_may + 24 * 3600,
    }


@pytest.mark.parametrize("told", ["", "yesterday", "0000-00-00", "9999999-01-01"])
def test_a_date_that_is_none_leaves_the_step_out(told: str) -> None:
    camera = calibration().camera
    assert camera is not None
    live = LiveView(
        VirtualClock(), calibration=Calibration(station="yard", camera=camera.with_values(measured_at=told))
    )
    assert not [name for name in read(live) if name.startswith("sorter_calibration_timestamp_seconds{")]


def test_what_can_happen_has_a_series_before_it_does() -> None:
    figures = read(LiveView(VirtualClock()))
    assert {f"sorter_state{{state={state}}}" for state in State} <= figures.keys()
    assert {f"sorter_fault{{kind={kind},severity={SPECS[kind].severity}}}" for kind in FaultKind} <= figures.keys()
    assert figures["sorter_items_total{bin=metal,reason=sorted}"] == 0
    assert figures["sorter_items_total{bin=residual,reason=unsure}"] == 0


def test_what_the_machine_does_not_tell_is_absent() -> None:
    figures = read(LiveView(VirtualClock()))
    silent = ("temperature_celsius", "newest_frame_age_seconds", "picture_brightness", "calibration_brightness")
    assert [name for name in silent if f"sorter_{name}{{}}" in figures] == []


def test_a_region_outside_of_the_picture_costs_no_scrape() -> None:
    live = LiveView(VirtualClock())
    live.publish_frame(Frame(np.zeros((48, 64, 3), np.uint8), 1, 1), ())
    assert np.isnan(read(live)["sorter_picture_brightness{}"])


def test_the_global_registry_stays_untouched() -> None:
    before = generate_latest(REGISTRY).count(b"# TYPE")
    read(LiveView(VirtualClock()))
    assert generate_latest(REGISTRY).count(b"# TYPE") == before
    assert b"sorter_" not in generate_latest(REGISTRY)


def test_disk_of_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    assert read_disk_free(tmp_path / "not" / "yet") == pytest.approx(read_disk_free(tmp_path), rel=0.1)
