"""A whole simulated station notices that its lamp got weaker, and nothing before that."""

from __future__ import annotations

import re

import pytest
from support.paths import STATIONS

from edge.clock import NS_PER_S
from edge.config import load_station
from edge.health.faults import FaultKind
from edge.health.monitors import drift
from edge.simulate.world.faults import parse_fault
from edge.tools.simulate.build import Conditions, build_virtual_run
from edge.tools.simulate.simulated_station import Changes, simulated_variant


def test_a_lamp_that_goes_out_is_told_and_nothing_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift, "GLANCES", 2)  # a look in two seconds instead of twenty: minutes instead of an hour
    station = simulated_variant(load_station(STATIONS / "demo.toml"), Changes(seed=5, frames_per_s=15))
    run = build_virtual_run(station, Conditions(injected_faults=[parse_fault("lamp-step@150")]))
    told: dict[str, float] = {}

    def look(now: int) -> None:
        for fault in run.station.health.faults:
            if fault.kind is FaultKind.DRIFT:
                told.setdefault(fault.text, (now - run.world.started_at) / NS_PER_S)

    run.run(200.0, on_tick=look)
    ((text, after),) = told.items()
    assert re.search(r"the picture has been (2[5-9]|3[0-5]) % darker", text)
    assert 150 < after < 190
