"""The whole bin station on the virtual clock: hands, single items, nothing for a long time."""

from __future__ import annotations

import pytest
from support.paths import STATIONS

from edge.clock import NS_PER_S
from edge.config import RESIDUAL, Station, load_station
from edge.simulate.world.bin import BinScene, Visit
from edge.tools.simulate.build import Conditions, build_virtual_run, run_and_score
from edge.tools.simulate.simulated_station import Changes, simulated_variant
from edge.tools.simulate.virtual_run import VirtualRun
from edge.types import Reason


def station(name: str, **changes: object) -> Station:
    defaults: dict[str, object] = {"seed": 2, "items_per_min": 0.01, "frames_per_s": 15.0}
    return simulated_variant(load_station(STATIONS / f"{name}.toml"), Changes.model_validate(defaults | changes))


def run_with(settings: Station, visits: list[tuple[float, Visit]]) -> tuple[VirtualRun, BinScene]:
    """Build a run to which exactly these people come, at seconds after the start."""
    run = build_virtual_run(settings, Conditions())
    scene = run.world.scene
    assert isinstance(scene, BinScene)
    for seconds, kind in visits:
        scene.visit_at(kind, run.world.started_at + round(seconds * NS_PER_S))
    return run, scene


@pytest.mark.parametrize("name", ["bin-flap", "bin-carousel"])
def test_single_items_land_in_their_own_bins(name: str) -> None:
    settings = station(name)
    run, scene = run_with(settings, [(4 + 12 * n, Visit.ONE_ITEM) for n in range(4)])
    result = run_and_score(settings, run, 46)
    assert result.items == len(scene.items) == 4
    assert (result.missed, result.phantom) == (0, 0)
    assert [item.landed_in for item in scene.items] == [settings.route(item.label).name for item in scene.items]


def test_a_hand_and_what_it_takes_away_again_are_no_items() -> None:
    settings = station("bin-flap")
    run, scene = run_with(settings, [(4, Visit.EMPTY_HAND), (9, Visit.TAKEN_AWAY), (14, Visit.EMPTY_HAND)])
    run_and_score(settings, run, 18)
    assert scene.items == []
    assert run.records == []


def test_two_at_once_and_what_is_larger_than_the_view_go_to_residual_with_the_reason() -> None:
    settings = station("bin-lids")
    run, scene = run_with(settings, [(4, Visit.TWO_ITEMS), (16, Visit.LARGE_ITEM), (30, Visit.ONE_ITEM)])
    result = run_and_score(settings, run, 32)
    assert [record.reason for record in run.records][:3] == [Reason.TOO_CLOSE, Reason.TOO_CLOSE, Reason.TOO_LARGE]
    assert len(run.records) == result.items == len(scene.items) == 4


@pytest.mark.slow
def test_nothing_for_a_quarter_of_an_hour_is_nothing() -> None:
    settings = station("bin-flap", frames_per_s=2.0)
    run, _ = run_with(settings, [])
    run.run(900)
    assert run.records == []


def test_an_item_without_a_bin_of_its_own_stays_until_someone_takes_it() -> None:
    settings = station("bin-flap")
    run, scene = run_with(settings, [(4, Visit.ONE_ITEM)])
    run.station.line.policy.use_thresholds(dict.fromkeys(run.station.slot.labels, 2.0))  # never sure enough
    run_and_score(settings, run, 8)
    assert [item.landed_in for item in scene.items] == [RESIDUAL]
    assert {record.bin for record in run.records} == {RESIDUAL}
