"""`sorter run -v`: a line for every item."""

from __future__ import annotations

import logging

import pytest

from edge.cli.commands.run import DEMO_STATION
from edge.config import load_station
from edge.tools.simulate.build import Conditions, build_virtual_run, run_and_score


def test_every_item_and_what_became_of_it_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    station = load_station(DEMO_STATION)
    run = build_virtual_run(station, Conditions())
    with caplog.at_level(logging.DEBUG, "edge.status.item_log"):
        run_and_score(station, run, 15)
    lines = [record.getMessage() for record in caplog.records if record.name == "edge.status.item_log"]
    assert len(run.records) > 5
    for record in run.records:
        said = [line for line in lines if line.startswith(f"item {record.item_id}: ")]
        assert f" -> {record.bin} (" in said[0]
        assert len(said) == (1 if record.fire_at is None else 2)


def test_nothing_is_kept_where_nobody_asked(caplog: pytest.LogCaptureFixture) -> None:
    station = load_station(DEMO_STATION)
    with caplog.at_level(logging.INFO):
        run_and_score(station, build_virtual_run(station, Conditions()), 5)
    assert [record for record in caplog.records if record.name == "edge.status.item_log"] == []
