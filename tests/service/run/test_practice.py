"""Faults that are practised at a simulated station in real time: each is raised, shown, and ends."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from support.stations import BELT, make_station
from typer.testing import CliRunner

from edge.cli import root
from edge.errors import ConfigError
from edge.health.faults import FaultKind
from edge.simulate.world.faults import parse_fault
from edge.station import chores
from edge.station.build import build_station
from edge.station.runtime import Runtime

pytestmark = pytest.mark.realtime

AT_MOST_S = 90.0


def practise(folder: Path, *faults: str, **changes: Any) -> Runtime:
    page, bins = {"enabled": True, "port": 0}, {"glass": {"full_pin": 5}}
    station = make_station(BELT, state_folder=folder, page=page, bins=bins, **changes)
    return Runtime(build_station(station, faults=[parse_fault(text) for text in faults]))


def test_faults_of_every_part_are_raised_and_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chores, "LOOK_EVERY", 2)  # at the machine, else every ten seconds
    faults = ("classifier-failed@1+3", "disk-full@1+4", "page-down@1+3", "hot@0+3", "bin-full:glass@1+4")
    runtime = practise(tmp_path, *faults)
    wanted = {FaultKind(re.split("[:@]", fault)[0]) for fault in faults}
    health = runtime.station.health
    seen: set[FaultKind] = set()

    def look(_now: int) -> None:
        there = {fault.kind for fault in health.faults}
        seen.update(there)
        if wanted <= seen and not wanted & there:
            runtime.stop()

    runtime.run(AT_MOST_S, look)
    assert wanted <= seen
    assert not wanted & {fault.kind for fault in health.faults}


def test_a_bug_ends_the_run_as_it_would(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="a simulated bug"):
        practise(tmp_path, "program-error@1").run(AT_MOST_S)


def test_a_real_station_practises_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--fault needs a simulated station"):
        practise(tmp_path, "hot@1", camera={"type": "folder", "path": str(tmp_path)})


def test_a_station_without_such_a_part_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no pin for it"):
        practise(tmp_path, "emergency-stop@1")


def test_run_lists_the_option_as_simulate_does() -> None:
    helps = [CliRunner().invoke(root, [command, "--help"]).stdout for command in ("run", "simulate")]
    said = [" ".join(re.sub(r"[│\s]+", " ", text).split()) for text in helps]
    for text in said:
        assert "KIND[:TARGET]@SECONDS[+DURATION]" in text
    with pytest.raises(ConfigError, match=r"camera-lost.*jam.*page-down"):
        CliRunner().invoke(root, ["run", "--demo", "--fault", "boredom@3"], catch_exceptions=False)
