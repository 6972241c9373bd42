"""The whole conveyor on the virtual clock, with the product's own code, held against where every item landed.

The model here is the oracle, which is never wrong: what goes wrong is finding, timing or moving.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from support.paths import STATIONS

from edge.clock import NS_PER_S, ms
from edge.config import RESIDUAL, Station, load_station
from edge.health.state import State
from edge.line import Outcome
from edge.simulate.world.faults import parse_fault
from edge.simulate.world.truth import SPILLED
from edge.tools.simulate.build import Conditions, build_virtual_run, run_and_score
from edge.tools.simulate.simulated_station import Changes, simulated_variant
from edge.types import Frame, Reason

DEMO = STATIONS / "demo.toml"


def station(**changes: object) -> Station:
    defaults: dict[str, object] = {"seed": 3, "items_per_min": 110.0, "frames_per_s": 20.0}
    return simulated_variant(load_station(DEMO), Changes.model_validate(defaults | changes))


def without_relay(plain: Station) -> Station:
    table = plain.model_dump()
    table["belt"]["run_pin"] = None
    return Station.model_validate(table)


def without_exit_sensors(plain: Station) -> Station:
    table = plain.model_dump()
    for each in table["bins"]:
        each["exit_pin"] = None
    return Station.model_validate(table)


def test_every_item_is_counted_once_and_lands_in_its_own_bin() -> None:
    settings = station()
    run = build_virtual_run(settings, Conditions())
    result = run_and_score(settings, run, 20)
    assert result.items > 25
    assert (result.missed, result.doubled, result.phantom, result.spilled, result.mis_timed) == (0, 0, 0, 0, 0)
    assert result.diverted.purity == 1.0
    assert result.diverted.recovery == 1.0
    decided = {record.item_id: record for record in run.records}
    assert len(decided) == len(run.records)
    fired = [stroke for stroke in run.log.strokes if stroke.outcome == "fired"]
    assert {n for stroke in fired for n in stroke.actuation.item_ids} == {
        r.item_id for r in run.records if r.reason is Reason.SORTED
    }
    for stroke in fired:
        limit = ms(settings.actuator(stroke.actuation.actuator).max_on_ms)
        assert 0 < stroke.released_at - stroke.fired_at <= limit
        assert stroke.fired_at == stroke.actuation.fire_at


@pytest.mark.slow
def test_the_same_seed_leaves_the_same_journal(tmp_path: Path) -> None:
    contents = []
    for name in ("first", "second"):
        settings = station(texture="dirty")
        run = build_virtual_run(settings, Conditions(journal_folder=tmp_path / name))
        run_and_score(settings, run, 10)
        contents.append((tmp_path / name / "journal.db").read_bytes())
    assert contents[0] == contents[1]
    other = station(seed=4, texture="dirty")
    run_and_score(other, build_virtual_run(other, Conditions(journal_folder=tmp_path / "other")), 10)
    assert (tmp_path / "other" / "journal.db").read_bytes() != contents[0]


@pytest.mark.parametrize("age", [30.0, 200.0])
def test_old_frames_place_items_as_exactly_as_fresh_ones(age: float) -> None:
    settings = station(frame_age_ms=age)
    result = run_and_score(settings, build_virtual_run(settings, Conditions()), 12)
    assert result.items > 10
    assert (result.missed, result.doubled, result.mis_timed) == (0, 0, 0)
    assert result.diverted.recovery == 1.0
    assert result.latency.least >= age


def test_a_decision_that_comes_too_late_is_a_residual_and_never_the_next_items_bin() -> None:
    table = station(items_per_min=60.0).model_dump()
    table["bins"] = [b | {"distance_mm": 75.0} if b["name"] == "plastic" else b for b in table["bins"]]
    settings = Station.model_validate(table)
    run = build_virtual_run(settings, Conditions(invoke_ms=300))  # 300 ms on, the belt is where the flap should be
    result = run_and_score(settings, run, 20)
    assert result.diverted.purity == 1.0
    assert result.spilled == 0
    plastic = [record for record in run.records if record.label == "plastic"]
    assert plastic
    assert {record.reason for record in plastic} <= {Reason.LATE}
    assert {record.bin for record in plastic} == {RESIDUAL}
    assert result.missed == 0
    assert result.dropped_frames > 0


def test_items_that_touch_go_to_residual_rather_than_spoil_a_bin() -> None:
    settings = station(items_per_min=165.0, min_gap_mm=0.0)
    result = run_and_score(settings, build_virtual_run(settings, Conditions()), 15)
    assert result.reasons.get("touching", 0) + result.reasons.get("too-close", 0) > 0
    # Of 45 items without any gap, one pair may grow together so well that nobody can tell.
    assert result.diverted.landed - result.diverted.right <= 1


def test_the_belts_way_through_the_picture_does_not_matter() -> None:
    for direction in ("left", "down"):
        table = station().model_dump()
        table["belt"] |= {"direction": direction}
        settings = Station.model_validate(table)
        result = run_and_score(settings, build_virtual_run(settings, Conditions()), 8)
        assert result.items > 5
        assert (result.missed, result.doubled, result.mis_timed, result.spilled) == (0, 0, 0, 0)


@pytest.mark.parametrize("seconds", [0.05, 1.1, 2.9, 3.7, 4.4, 5.3])
def test_whenever_it_is_stopped_every_pin_is_safe(seconds: float) -> None:
    settings = station()
    run = build_virtual_run(settings, Conditions())
    run.run(seconds)
    for actuator in settings.actuators:
        for pin in actuator.pins().values():
            assert run.station.environment.pins.pin(pin).state == 0
    run.world.run_due(run.clock.now() + NS_PER_S)
    for flap in run.world.flaps.values():
        assert flap.extension("", run.clock.now() + NS_PER_S) == 0.0


def test_the_belt_stands_while_a_person_has_stopped_the_station() -> None:
    run = build_virtual_run(station(), Conditions())
    start, presses = run.clock.now(), {3: "pause", 6: "resume"}
    speeds: dict[int, float] = {}

    def on_frame(frame: Frame, _outcomes: Sequence[Outcome]) -> None:
        second = (frame.captured_at - start) // NS_PER_S
        if second in presses:
            run.station.switch.press(presses.pop(second), "me")
        speeds[second] = run.world.surface.speed_at(frame.captured_at)

    run.run(9, on_frame=on_frame)
    assert [speeds[second] > 0 for second in (2, 5, 8)] == [True, False, True]


def test_an_emergency_stop_ends_all_motion_and_waits_for_its_reset() -> None:
    settings = station()
    plan = [parse_fault(text) for text in ("emergency-stop@6+3", "reset@12")]
    run = build_virtual_run(settings, Conditions(injected_faults=plan))
    start = run.world.started_at
    run_and_score(settings, run, 24)
    fired = [(stroke.fired_at - start) / NS_PER_S for stroke in run.log.strokes if stroke.outcome == "fired"]
    assert any(at < 6 for at in fired)
    assert any(at > 12 for at in fired)
    assert not any(6 < at < 12 for at in fired)
    surface = run.world.surface
    assert surface.speed_at(start + 8 * NS_PER_S) == 0
    assert surface.speed_at(start + 11 * NS_PER_S) == 0
    assert surface.speed_at(start + 14 * NS_PER_S) > 0


def test_a_stopped_belt_fires_nothing() -> None:
    settings = station()
    run = build_virtual_run(settings, Conditions(injected_faults=[parse_fault("belt-stopped@6+5")]))
    start = run.world.started_at
    result = run_and_score(settings, run, 20)
    fired = [(stroke.fired_at - start) / NS_PER_S for stroke in run.log.strokes if stroke.outcome == "fired"]
    assert any(at < 6 for at in fired)
    assert any(at > 12 for at in fired)
    # Seen from the items themselves, which takes a moment; a stroke that is out already is let go in time.
    assert not any(6.6 < at < 11 for at in fired)
    assert result.diverted.purity == 1.0


def test_a_diverter_without_power_sends_its_items_on_to_the_next_place() -> None:
    settings = without_exit_sensors(station())
    run = build_virtual_run(settings, Conditions(injected_faults=[parse_fault("diverter-unplugged:flap-5@0")]))
    result = run_and_score(settings, run, 15)
    glass = [item for item in run.world.items if item.label == "glass" and item.landed_in]
    assert glass
    assert {item.landed_in for item in glass} == {RESIDUAL}
    assert result.mis_timed == len(glass)


def test_exit_sensors_see_that_a_diverter_is_without_power(caplog: pytest.LogCaptureFixture) -> None:
    settings = station()
    run = build_virtual_run(settings, Conditions(injected_faults=[parse_fault("diverter-unplugged:flap-5@0")]))
    run_and_score(settings, run, 15)
    assert run.station.health.state is State.FAULT
    assert "Items are jammed. (glass)" in caplog.text


def test_a_stuck_diverter_is_what_the_score_sees() -> None:
    settings = station()
    run = build_virtual_run(settings, Conditions(injected_faults=[parse_fault("diverter-stuck:flap-1@5+4")]))
    run_and_score(settings, run, 15)
    assert {item.landed_in for item in run.world.items} <= {b.name for b in settings.bins} | {SPILLED, ""}


@pytest.mark.parametrize("has_relay", [True, False])
def test_a_camera_that_was_unplugged_for_a_while_comes_back_by_itself(has_relay: bool) -> None:
    settings = station() if has_relay else without_relay(station())
    run = build_virtual_run(settings, Conditions(injected_faults=[parse_fault("camera-lost@4+3")]))
    result = run_and_score(settings, run, 24)
    start = run.world.started_at
    assert any((stroke.fired_at - start) / NS_PER_S > 12 for stroke in run.log.strokes if stroke.outcome == "fired")
    assert result.diverted.purity == 1.0
    assert (result.missed > 0) is not has_relay  # the relay stops the belt: nothing passes unseen
