"""One rule of which model is meant: every command that speaks of the station's model means the same one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.stations import BIN, write_station
from typer.testing import CliRunner

from edge.bundle.archive import read_bundle
from edge.cli import root
from edge.clock import VirtualClock
from edge.config import load_station
from edge.health.monitors.bin_levels import BinLevels
from edge.inference.classifier import open_shipped_bundle
from edge.models.install import activate, open_device, prove
from edge.models.select import Origin, find_bundle
from edge.station.models import open_models
from edge.station.recorder import NoRecords, Recorder
from edge.status.live import LiveView
from edge.tools.check.doctor import Doctor

SHIPPED = open_shipped_bundle()


def asked(path: Path, *command: str) -> dict[str, Any]:
    answer = json.loads(CliRunner().invoke(root, [*command, "--station", str(path), "--json"]).stdout)
    assert isinstance(answer, dict)
    return answer


@pytest.mark.parametrize("origin", Origin)
def test_every_command_means_the_model_that_the_station_uses(
    origin: Origin, tiny_bundle: Callable[..., bytes], tmp_path: Path
) -> None:
    tables = {"state_folder": "state", "inference": {"allow_unsigned": True}, "bins": {"residual": {"labels": []}}}
    path = write_station(tmp_path, BIN, **tables)
    expected = SHIPPED.digest
    if origin is not Origin.SHIPPED:
        content = tiny_bundle(version="1.0")
        expected, device = read_bundle(content, "pushed").digest, open_device(path)
        device.store.add(content, prove(read_bundle(content, "pushed"), device))
        activate(device, expected, "pushed")
    if origin is Origin.NAMED:  # which goes before what is active in the store
        content = tiny_bundle(version="2.0")
        (tmp_path / "named.sorter").write_bytes(content)
        expected = read_bundle(content, "named").digest
        write_station(tmp_path, BIN, **tables | {"inference": {"allow_unsigned": True, "bundle": "named.sorter"}})
    where, used = find_bundle(load_station(path))
    assert (where, used.digest) == (origin, expected)
    assert asked(path, "check")["model"] == used.manifest.title
    shown = asked(path, "model", "show")
    assert (shown["evidence"]["digest"], shown["state"]) == (expected, "current")
    assert used.manifest.title in Doctor(path, load_station(path)).runtime().text
    clock = VirtualClock()
    works = open_models(
        load_station(path), clock, None, Recorder(NoRecords(), LiveView(clock), BinLevels({}, None))
    ).first
    works.classifier.close()
    assert works.digest == expected
