"""Bins that are counted full, and items that an exit sensor saw, in whole simulated runs."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.journal import items_in
from support.stations import BELT, make_station

from edge.clock import NS_PER_S
from edge.config import Station
from edge.config.inputs import InputName, InputRole
from edge.devices.gpio.inputs import Edge
from edge.health.faults import FaultKind
from edge.health.monitors.bin_levels import FULL_NS, BinLevelMonitor, BinLevels, capacities_of
from edge.tools.simulate.build import Conditions, build_virtual_run
from edge.tools.simulate.virtual_run import VirtualRun
from edge.types import Reason


def belt(**glass: Any) -> Station:
    return make_station(
        BELT,
        actuators={"flap": {"lead_ms": 40}},
        bins={"glass": {"labels": ["glass", "metal"], **glass}, "residual": {"labels": ["paper"]}},
        simulation={"items_per_min": 90},
    )


def into(run: VirtualRun, bin_name: str) -> int:
    return sum(record.bin == bin_name for record in run.records)


def test_a_bin_that_was_counted_full_takes_no_more_until_a_person_says_that_it_is_empty() -> None:
    run = build_virtual_run(belt(capacity=3), Conditions())
    run.run(40.0)
    station, health = run.station, run.station.health
    assert into(run, "glass") == 3
    assert sum(record.reason is Reason.BIN_FULL for record in run.records) > 3
    assert [(fault.kind, fault.detail) for fault in health.faults] == [(FaultKind.BIN_FULL, "glass")]
    station.station_io.reset(run.clock.now())
    station.supervisor.tick(run.clock.now())
    assert health.faults == []
    assert station.reporting.levels.counts["glass"] == 0


def test_the_reset_that_ends_an_emergency_stop_empties_no_bin() -> None:
    run = build_virtual_run(belt(capacity=2), Conditions())
    run.run(30.0)
    station, health, now = run.station, run.station.health, run.clock.now()
    health.estop(now)
    health.chain_closed(now)
    station.station_io.reset(now)
    station.supervisor.tick(now)
    assert [fault.kind for fault in health.faults] == [FaultKind.BIN_FULL]
    assert station.reporting.levels.full == ["glass"]
    station.station_io.reset(now)
    station.supervisor.tick(now)
    assert health.faults == []


def test_a_sensor_knows_better_than_a_count() -> None:
    assert capacities_of(belt(capacity=3, full_pin=16)) == {"glass": None, "residual": None}
    assert capacities_of(belt(capacity=3)) == {"glass": 3, "residual": None}


def test_counts_outlive_the_program(tmp_path: Path) -> None:
    levels = BinLevels({"glass": 5}, tmp_path)
    for _ in range(4):
        levels.count_item("glass")
    levels.count_item("residual")
    levels.save(NS_PER_S)
    assert BinLevels({"glass": 5, "paper": 9}, tmp_path).counts == {"glass": 4, "paper": 0}


def test_counts_are_stored_once_a_minute_and_an_emptied_bin_at_once(tmp_path: Path) -> None:
    levels = BinLevels({"glass": 2}, tmp_path)
    levels.count_item("glass")
    levels.save(1 * NS_PER_S)
    levels.count_item("glass")
    levels.save(60 * NS_PER_S)
    assert BinLevels({"glass": 2}, tmp_path).counts == {"glass": 1}
    levels.save(61 * NS_PER_S)
    assert BinLevels({"glass": 2}, tmp_path).full == ["glass"]
    assert levels.empty_full() == ["glass"]
    levels.save(62 * NS_PER_S)
    assert BinLevels({"glass": 2}, tmp_path).full == []


def test_when_a_bin_was_emptied_outlives_the_program_and_an_unset_date_is_no_date(tmp_path: Path) -> None:
    date = 0.0
    levels = BinLevels({"glass": 5, "residual": None}, tmp_path, lambda: date)
    assert levels.emptied_at == {}
    date = datetime(2026, 5, 1, 12, tzinfo=UTC).timestamp()
    levels.count_item("glass")
    levels.empty(["glass"])
    levels.count_item("glass")
    levels.save(NS_PER_S)
    again = BinLevels({"glass": 5, "residual": None}, tmp_path, lambda: date + 60)
    assert (again.emptied_at, again.counts["glass"]) == ({"glass": date}, 1)


def test_a_bin_whose_sensor_says_full_no_longer_was_emptied() -> None:
    run = build_virtual_run(belt(full_pin=16), Conditions())
    run.run(20.0)
    monitor = BinLevelMonitor(run.station.reporting.levels, ["glass"])
    assert monitor.levels.counts["glass"] > 3
    now = run.clock.now()
    monitor.on_edge(Edge(InputName(InputRole.FULL, "glass"), active=True, at=now))
    told = [list(monitor.faults(now)), list(monitor.faults(now + FULL_NS))]
    assert told == [[], [(FaultKind.BIN_FULL, "glass")]]
    monitor.on_edge(Edge(InputName(InputRole.FULL, "glass"), active=False, at=now))
    assert list(monitor.faults(now + 2 * FULL_NS)) == []
    assert monitor.levels.counts["glass"] == 0


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"glass": "many"}', b"\xff\xfe", b'{"glass": {"items": -3}}', b"[" * 100_000]
)
def test_a_damaged_file_counts_as_empty(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bin-levels.json").write_bytes(content)
    levels = BinLevels({"glass": 5}, tmp_path)
    assert (levels.counts, levels.was_damaged) == ({"glass": 0}, True)
    assert (tmp_path / "damaged-bin-levels.json").read_bytes() == content
    assert not BinLevels({"glass": 5}, tmp_path).was_damaged


def test_a_folder_in_the_files_place_is_set_aside_and_the_counts_are_kept(tmp_path: Path) -> None:
    (tmp_path / "damaged-bin-levels.json").write_text("earlier")
    (tmp_path / "bin-levels.json").mkdir()
    levels = BinLevels({"glass": 5}, tmp_path)
    levels.count_item("glass")
    levels.save(NS_PER_S)
    assert levels.was_damaged
    assert BinLevels({"glass": 5}, tmp_path).counts == {"glass": 1}


def test_a_disk_that_refuses_is_tried_again(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.write_bytes(b"a file where the folder should be")
    levels = BinLevels({"glass": 5}, folder)
    levels.count_item("glass")
    levels.save(NS_PER_S)
    folder.unlink()
    levels.save(2 * NS_PER_S, at_once=True)
    assert BinLevels({"glass": 5}, folder).counts == {"glass": 1}


def test_what_an_exit_sensor_saw_is_journalled(tmp_path: Path) -> None:
    run = build_virtual_run(belt(exit_pin=23), Conditions(journal_folder=tmp_path))
    run.run(30.0, drain_s=5.0)
    rows = items_in(tmp_path)
    landed = [row for row in rows if row.landed_at is not None]
    assert len(landed) == into(run, "glass") > 3
    assert all(row.landed_in == row.bin == "glass" for row in landed)
    assert all(row.crossed_at < row.landed_at < row.crossed_at + 5 * NS_PER_S for row in landed)
