"""What Prometheus reads."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client import REGISTRY, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from edge.clock import VirtualClock, ms
from edge.health.faults import Fault, FaultKind
from edge.health.monitors.machine import MachineState
from edge.health.state import State
from edge.line import Outcome
from edge.status.live import LiveView
from edge.status.metrics import build_registry, read_disk_free
from edge.types import Actuation, Decision, Item, Reason, Stroke


def read(live: LiveView) -> dict[str, float]:
    """Scrape; the keys are `name{label=value,...}`."""
    text = generate_latest(build_registry(live, lambda: 5_000_000)).decode()
    return {
        f"{sample.name}{{{','.join(f'{k}={v}' for k, v in sorted(sample.labels.items()))}}}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_figures_of_a_station() -> None:
    clock = VirtualClock()
    live = LiveView(clock, ("waste", "1.0"))
    actuation = Actuation("flap", clock.now() + ms(300), clock.now() + ms(400), (1,))
    decision = Decision(1, "glass", Reason.SORTED, clock.now(), "glass", 0.9)
    live.publish_outcome(Outcome(Item(1, clock.now() - ms(30), ()), None, decision, actuation, ms(15)))
    live.publish_stroke(Stroke(actuation, 1, 2))
    live.publish_state(State.DEGRADED, [Fault(FaultKind.HOT, 0, "")])
    live.publish_machine(MachineState(temperature_c=81.5, throttled=True))
    live.publish_journal({"stored": 7, "waiting": 2, "lost": 1})
    clock.advance_to(clock.now() + ms(1000))
    figures = read(live)
    expected = {
        "sorter_journal_rows{state=stored}": 7,
        "sorter_journal_rows{state=waiting}": 2,
        "sorter_journal_rows{state=lost}": 1,
        "sorter_items_total{bin=glass,reason=sorted}": 1,
        "sorter_labels_total{label=glass}": 1,
        "sorter_strokes_total{actuator=flap,outcome=fired}": 1,
        "sorter_deciding_seconds_bucket{le=0.02}": 0,
        "sorter_deciding_seconds_bucket{le=0.05}": 1,
        "sorter_deciding_seconds_count{}": 1,
        "sorter_deciding_seconds_sum{}": 0.03,
        "sorter_spare_seconds_sum{}": 0.3,
        "sorter_state{sorter_state=degraded}": 1,
        "sorter_state{sorter_state=running}": 0,
        "sorter_fault{kind=hot}": 1,
        "sorter_fault{kind=jam}": 0,
        "sorter_uptime_seconds{}": 1,
        "sorter_model_info{name=waste,version=1.0}": 1,
        "sorter_temperature_celsius{}": 81.5,
        "sorter_throttled{}": 1,
        "sorter_disk_free_bytes{}": 5_000_000,
    }
    assert {key: figures.get(key) for key in expected} == expected
    assert figures["process_open_fds{}"] > 0


def test_every_state_and_fault_has_a_series() -> None:
    figures = read(LiveView(VirtualClock()))
    assert {f"sorter_state{{sorter_state={state}}}" for state in State} <= figures.keys()
    assert {f"sorter_fault{{kind={kind}}}" for kind in FaultKind} <= figures.keys()


def test_what_the_machine_does_not_tell_is_absent() -> None:
    figures = read(LiveView(VirtualClock()))
    assert "sorter_temperature_celsius{}" not in figures
    assert "sorter_picture_age_seconds{}" not in figures


def test_the_global_registry_stays_untouched() -> None:
    before = generate_latest(REGISTRY).count(b"# TYPE")
    read(LiveView(VirtualClock()))
    assert generate_latest(REGISTRY).count(b"# TYPE") == before
    assert b"sorter_" not in generate_latest(REGISTRY)


def test_disk_of_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    assert read_disk_free(tmp_path / "not" / "yet") == pytest.approx(read_disk_free(tmp_path), rel=0.1)
