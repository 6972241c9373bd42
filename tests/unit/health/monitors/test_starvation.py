"""A machine that is too busy to let the program run is not taken for a stuck model, a slipping or a stopped belt."""

from __future__ import annotations

import pytest
from support.assembled import assemble_for_test
from support.stations import BELT, BIN, make_station

from edge.clock import NS_PER_S, VirtualClock, ms
from edge.health.faults import FaultKind
from edge.health.health import Health
from edge.health.heartbeats import Heartbeat
from edge.health.monitors.belt import IN_VIEW_NS, BeltMonitor
from edge.line import Outcome
from edge.station.supervisor import Supervisor
from edge.tools.simulate.build import Conditions, build_virtual_run
from edge.transport.belt import BeltModel
from edge.types import Decision, Item, Reason

TURN = ms(100)
T0 = NS_PER_S


def supervisor_at(start: int) -> Supervisor:
    station = make_station(BIN, camera=BELT["camera"])
    supervisor = assemble_for_test(station, VirtualClock(start)).supervisor
    supervisor.health.beat(start)
    return supervisor


def a_belt() -> BeltMonitor:
    """A belt that should run at 250 mm/s."""
    return BeltMonitor(BeltModel(250.0), is_driven=False, has_encoder=False, frames_per_s=20)


def item_at(speed_mm_per_s: float) -> Outcome:
    item = Item(1, T0, (), speed_mm_per_s=speed_mm_per_s)
    return Outcome(item, None, Decision(1, "residual", Reason.NOT_CLASSIFIED, T0), None, 0)


def kinds(health: Health) -> set[FaultKind]:
    return {fault.kind for fault in health.faults}


def test_a_model_that_answers_late_because_nothing_ran_is_not_stuck() -> None:
    at = NS_PER_S
    supervisor = supervisor_at(at)
    for _ in range(5):
        at += TURN
        supervisor.health.heartbeat(Heartbeat.ACTUATION, at)
        supervisor.tick(at)
    supervisor.health.heartbeat(Heartbeat.FRAME, at)
    at += 8 * NS_PER_S
    supervisor.tick(at)
    assert kinds(supervisor.health) == set()
    supervisor.health.beat(at + ms(50))
    supervisor.health.heartbeat(Heartbeat.ACTUATION, at + ms(50))
    supervisor.tick(at + TURN)
    assert kinds(supervisor.health) == set()


def test_a_model_that_answers_not_at_all_is_stuck_all_the_same() -> None:
    at = NS_PER_S
    supervisor = supervisor_at(at)
    supervisor.tick(at)
    supervisor.health.heartbeat(Heartbeat.FRAME, at + ms(1))
    at += 8 * NS_PER_S
    for _ in range(35):
        at += TURN
        supervisor.health.heartbeat(Heartbeat.ACTUATION, at)
        supervisor.tick(at)
    assert kinds(supervisor.health) == {FaultKind.CLASSIFIER_STUCK}


@pytest.mark.parametrize(("disturbed", "blamed"), [(True, False), (False, True)])
def test_speeds_from_missed_pictures_are_not_the_belts(disturbed: bool, blamed: bool) -> None:
    monitor = a_belt()
    if disturbed:
        monitor.on_stall(NS_PER_S, T0)
    for n in range(10):
        monitor.on_outcome(item_at(180.0), T0 + n * IN_VIEW_NS // 11)
    assert ((FaultKind.BELT_SLIPPING, "") in monitor.faults(T0 + IN_VIEW_NS)) is blamed


def test_a_belt_seen_now_and_then_only_is_not_called_slow() -> None:
    station = make_station(
        BELT,
        camera={"frames_per_s": 20},
        belt={"speed_mm_per_s": 700, "mm_per_pixel": 3.2},
        simulation={"items_per_min": 400, "min_gap_mm": 15},
    )
    run = build_virtual_run(station, Conditions(frame_ms=700))
    run.run(60.0)
    assert len(run.records) > 20
    assert run.station.health.counts[FaultKind.BELT_SLIPPING] == 0


def test_a_belt_that_slips_is_found_out_after_the_disturbance() -> None:
    monitor = a_belt()
    monitor.on_stall(NS_PER_S, T0)
    for n in range(10):
        monitor.on_outcome(item_at(180.0), T0 + IN_VIEW_NS + n)
    assert list(monitor.faults(T0 + 2 * IN_VIEW_NS)) == [(FaultKind.BELT_SLIPPING, "")]
