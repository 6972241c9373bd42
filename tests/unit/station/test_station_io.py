"""Emergency stop, reset, jam, full bins, belt relay and beacon on mock pins and a virtual clock."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from support.stations import BELT, make_station

from edge.clock import NS_PER_S, VirtualClock, ms
from edge.devices.actuators import open_actuators
from edge.devices.actuators.schedule import Schedule
from edge.devices.gpio.inputs import Edge, Inputs
from edge.devices.gpio.mock_pins import MockPins, RestingPins
from edge.health.faults import FaultKind
from edge.health.health import Health, State
from edge.health.heartbeats import Sign
from edge.health.monitors.bin_levels import BinLevels, counted_bins
from edge.policy import Policy
from edge.station.station_io import CLOSED_NS, FULL_NS, JAM_NS, Panel
from edge.station.supervisor import Supervisor
from edge.types import Actuation, Reason, Stroke, StrokeOutcome

ESTOP, RESET, JAM, FULL, RESIDUAL, EXIT, BELT_RELAY, BEACON, FLAP = 5, 6, 13, 16, 19, 20, 21, 26, 17

STATION = make_station(
    BELT,
    belt={"run_pin": BELT_RELAY},
    bins={"glass": {"full_pin": FULL}, "residual": {"full_pin": RESIDUAL, "exit_pin": EXIT}},
    safety={"estop_pin": ESTOP, "reset_pin": RESET, "jam_pin": JAM, "beacon_pin": BEACON},
)


class Rig:
    """A running station on mock pins; whoever tests it is the world."""

    def __init__(self, chain_closed: bool = True) -> None:
        self.clock = VirtualClock()
        self.pins = RestingPins() if chain_closed else MockPins()
        actuators = open_actuators(STATION, self.pins, self.clock)
        self.schedule = Schedule(actuators, {"flap": ms(2000)})
        self.policy = Policy(STATION, {}, 0.0)
        self.health = Health(self.clock.now())
        self.edges: list[Edge] = []
        self.supervisor = Supervisor(self.clock, self.health, self.schedule, self.policy)
        self.panel = Panel(
            STATION,
            self.pins,
            self.clock,
            self.health,
            self.supervisor.emergency_stop,
            BinLevels(counted_bins(STATION)),
            self.edges.append,
        )
        self.supervisor.panel = self.panel
        self.panel.open()

    def drive(self, number: int, level: bool) -> None:
        pin: Any = self.pins.pin(number)
        if level:
            pin.drive_high()
        else:
            pin.drive_low()

    def level(self, number: int) -> bool:
        return bool(self.pins.pin(number).state)

    def pass_time(self, span: int = ms(100)) -> None:
        """Frames flow and the supervisor turns, every 100 ms."""
        end = self.clock.now() + span
        while self.clock.now() < end:
            self.clock.advance_to(min(end, self.clock.now() + ms(100)))
            now = self.clock.now()
            self.health.beat(now)
            self.health.item_seen(now)
            for sign in (Sign.ACTUATION, Sign.JOURNAL):
                self.health.sign(sign, now)
            self.supervisor.note_strokes(self.schedule.run_due(now))
            self.supervisor.turn(now)

    def fire(self) -> None:
        now = self.clock.now()
        self.schedule.plan(Actuation("flap", now, now + NS_PER_S, (1,)))
        self.schedule.run_due(now)


@pytest.fixture
def rig() -> Rig:
    station = Rig()
    station.pass_time()
    return station


def test_the_belt_runs_only_when_sorting_does() -> None:
    rig = Rig()
    assert not rig.level(BELT_RELAY)
    rig.pass_time()
    assert rig.level(BELT_RELAY)
    assert not rig.level(BEACON)


def test_the_emergency_stop_makes_the_pins_safe_within_the_edge_itself(rig: Rig) -> None:
    rig.fire()
    assert rig.level(FLAP)
    rig.drive(ESTOP, False)
    assert not rig.level(FLAP)
    assert not rig.level(BELT_RELAY)
    assert rig.health.state is State.ESTOP
    rig.pass_time()
    assert rig.level(BEACON)


def test_nothing_moves_again_before_the_reset(rig: Rig) -> None:
    rig.drive(ESTOP, False)
    rig.pass_time()
    rig.drive(ESTOP, True)
    rig.pass_time(NS_PER_S)
    assert rig.health.state is State.ESTOP
    rig.fire()
    assert not rig.level(FLAP)
    rig.drive(RESET, False)
    rig.pass_time()
    assert rig.health.state is State.RUNNING
    assert rig.level(BELT_RELAY)
    rig.fire()
    assert rig.level(FLAP)


def test_a_reset_button_that_is_held_or_pressed_too_early_does_nothing(rig: Rig) -> None:
    rig.drive(RESET, False)
    rig.drive(ESTOP, False)
    rig.pass_time()
    rig.drive(ESTOP, True)
    rig.pass_time(CLOSED_NS + ms(200))
    assert rig.health.state is State.ESTOP
    rig.drive(RESET, True)
    rig.pass_time()
    assert rig.health.state is State.ESTOP


def test_a_chain_that_is_open_at_the_start_is_an_emergency_stop() -> None:
    rig = Rig(chain_closed=False)
    rig.pass_time()
    assert rig.health.state is State.ESTOP
    assert not rig.level(BELT_RELAY)


def test_a_jam_has_to_last_and_stops_the_belt(rig: Rig) -> None:
    rig.drive(JAM, False)
    rig.pass_time(JAM_NS - ms(200))
    rig.drive(JAM, True)
    rig.pass_time(NS_PER_S)
    assert rig.health.counts[FaultKind.JAM] == 0
    rig.drive(JAM, False)
    rig.pass_time(JAM_NS + ms(200))
    assert rig.health.state is State.FAULT
    assert not rig.level(BELT_RELAY)
    rig.drive(JAM, True)
    rig.pass_time()
    assert rig.level(BELT_RELAY)


def test_a_full_bin_sends_its_items_to_residual_and_a_full_residual_stops(rig: Rig) -> None:
    rig.drive(FULL, False)
    rig.pass_time(FULL_NS + ms(200))
    assert rig.health.state is State.DEGRADED
    assert rig.policy.unavailable == {"glass": Reason.BIN_FULL}
    rig.drive(FULL, True)
    rig.pass_time()
    assert rig.policy.unavailable == {}
    rig.drive(RESIDUAL, False)
    rig.pass_time(FULL_NS + ms(200))
    assert [fault.kind for fault in rig.health.faults] == [FaultKind.RESIDUAL_FULL]
    assert rig.policy.held


def test_edges_that_are_no_fault_are_passed_on(rig: Rig) -> None:
    rig.drive(EXIT, False)
    rig.pass_time()
    assert [(str(edge.name), edge.active) for edge in rig.edges] == [("exit:residual", True)]


def test_a_pin_that_refuses_is_a_fault_until_it_works(rig: Rig) -> None:
    actuation = Actuation("flap", 0, 1, (1,))
    rig.supervisor.note_strokes([Stroke(actuation, 1, 2, StrokeOutcome.FAILED)])
    rig.supervisor.turn(rig.clock.now())
    assert [(fault.kind, fault.detail) for fault in rig.health.faults] == [(FaultKind.ACTUATOR_REFUSED, "flap")]
    assert rig.schedule.held
    rig.supervisor.note_strokes([Stroke(actuation, 1, 2, StrokeOutcome.FIRED)])
    rig.supervisor.turn(rig.clock.now())
    assert not rig.schedule.held


def test_closing_leaves_everything_off(rig: Rig) -> None:
    rig.panel.close()
    rig.panel.close()
    assert not rig.level(BELT_RELAY)
    assert not rig.level(BEACON)


@pytest.mark.parametrize(("part", "callback"), [(Panel, "on_stop"), (Inputs, "on_change")])
def test_no_panel_and_no_inputs_can_be_made_without_saying_who_stops(part: type, callback: str) -> None:
    assert inspect.signature(part).parameters[callback].default is inspect.Parameter.empty
