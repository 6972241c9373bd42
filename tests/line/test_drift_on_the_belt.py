"""A whole simulated station notices that its lamp got weaker or its lens dirty, and nothing before that."""

from __future__ import annotations

import re
from dataclasses import replace

import cv2
import numpy as np
import pytest
from support.paths import STATIONS

from edge.clock import NS_PER_S
from edge.config import load_station
from edge.health.faults import FaultKind
from edge.health.monitors import drift
from edge.inference.classifier import open_shipped_bundle
from edge.simulate.backend.camera import SimulatedCamera
from edge.simulate.world.faults import parse_fault
from edge.tools.simulate.build import Conditions, build_virtual_run
from edge.tools.simulate.simulated_station import Changes, simulated_variant
from edge.tools.simulate.virtual_run import VirtualRun
from edge.types import Frame


def watch(run: VirtualRun, seconds: float) -> dict[str, float]:
    """Run; return what was told of drift, and after how many seconds."""
    told: dict[str, float] = {}

    def look(now: int) -> None:
        for fault in run.station.health.faults:
            if fault.kind is FaultKind.DRIFT:
                told.setdefault(fault.text, (now - run.world.started_at) / NS_PER_S)

    run.run(seconds, on_tick=look)
    return told


def test_a_lamp_that_goes_out_is_told_and_nothing_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift, "GLANCES", 2)  # a look in two seconds instead of twenty: minutes instead of an hour
    station = simulated_variant(load_station(STATIONS / "demo.toml"), Changes(seed=5, frames_per_s=15))
    run = build_virtual_run(station, Conditions(injected_faults=[parse_fault("lamp-step@150")]))
    ((text, after),) = watch(run, 200.0).items()
    assert re.search(r"the picture has been (2[5-9]|3[0-5]) % darker", text)
    assert 150 < after < 190


class GreasyLens(SimulatedCamera):
    """Somebody touches the lens at an instant: from then on the picture is soft and hazy, and as bright as before."""

    touched_at = 0

    def read(self) -> Frame:
        frame = super().read()
        if frame.captured_at < self.touched_at:
            return frame
        soft = cv2.GaussianBlur(frame.pixels, (0, 0), 3)
        return replace(frame, pixels=cv2.addWeighted(soft, 0.6, np.full_like(soft, soft.mean()), 0.4, 0))


@pytest.mark.slow
def test_a_lens_that_somebody_touched_is_told_by_what_the_shipped_model_sees_and_nothing_before() -> None:
    changes = Changes(seed=1, frames_per_s=8, items_per_min=120)
    demo = load_station(STATIONS / "demo.toml")
    station = simulated_variant(demo.with_values(inference=demo.inference.with_values(max_crops=1)), changes)
    run = build_virtual_run(station, Conditions(bundle=open_shipped_bundle()))
    touched_s = 240.0

    def open_camera() -> SimulatedCamera:
        camera = GreasyLens(run.world, run.clock)
        camera.touched_at = run.world.started_at + round(touched_s * NS_PER_S)
        return camera

    run.open_camera = open_camera
    told = watch(run, 370.0)
    assert told
    assert min(told.values()) > touched_s
