"""Emergency stop, reset, jam, full bins, belt relay and beacon on mock pins and a virtual clock."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from support.assembled import assemble_for_test, tick_alive
from support.stations import BELT, make_station

from edge.clock import NS_PER_S, VirtualClock, ms
from edge.devices.actuators import open_actuators
from edge.devices.actuators.schedule import Schedule
from edge.devices.gpio.inputs import Edge, Inputs
from edge.devices.gpio.mock_pins import MockPins, RestingPins
from edge.health.faults import FaultKind
from edge.health.health import Health
from edge.health.monitors import Observer
from edge.health.monitors.bin_levels import FULL_NS
from edge.health.monitors.jams import JAM_NS
from edge.health.state import State
from edge.station.safe_state import OutputPins, SafeState
from edge.station.station_io import CLOSED_NS, StationIO
from edge.types import Actuation, Item, Prediction, Reason, Stroke, StrokeOutcome

ESTOP, RESET, JAM, FULL, RESIDUAL, EXIT, BELT_RELAY, BEACON, FLAP = 5, 6, 13, 16, 19, 20, 21, 26, 17

STATION = make_station(
    BELT,
    belt={"run_pin": BELT_RELAY},
    bins={"glass": {"full_pin": FULL}, "residual": {"full_pin": RESIDUAL, "exit_pin": EXIT}},
    safety={"estop_pin": ESTOP, "reset_pin": RESET, "jam_pin": JAM, "beacon_pin": BEACON},
)


class Edges(Observer):
    """Keeps what is passed on."""

    def __init__(self) -> None:
        self.edges: list[Edge] = []

    def on_edge(self, edge: Edge) -> None:
        self.edges.append(edge)


class Rig:
    """A running station on mock pins; whoever tests it is the world."""

    def __init__(self, chain_closed: bool = True) -> None:
        self.clock = VirtualClock()
        self.pins = RestingPins() if chain_closed else MockPins()
        self.seen = Edges()
        self.station = assemble_for_test(STATION, self.clock, self.pins, observers=[self.seen])
        self.health, self.schedule = self.station.health, self.station.schedule
        self.station.safe_state.open()
        self.station.station_io.open()

    def why(self) -> Reason:
        """What a glass item would be decided for."""
        prediction = Prediction("glass", 1.0, 1.0, ("glass",), (1.0,))
        return self.station.line.policy.decide(Item(1, 0, ()), prediction, self.clock.now()).reason

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
            tick_alive(self.station, self.clock.now())

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
    assert rig.why() is Reason.BIN_FULL
    rig.drive(FULL, True)
    rig.pass_time()
    assert rig.why() is Reason.SORTED
    rig.drive(RESIDUAL, False)
    rig.pass_time(FULL_NS + ms(200))
    assert [fault.kind for fault in rig.health.faults] == [FaultKind.RESIDUAL_FULL]
    assert rig.why() is Reason.HELD


def test_edges_that_are_no_fault_are_passed_on(rig: Rig) -> None:
    rig.drive(EXIT, False)
    rig.pass_time()
    assert [(str(edge.name), edge.active) for edge in rig.seen.edges] == [("exit:residual", True)]


def test_a_pin_that_refuses_is_a_fault_until_it_works(rig: Rig) -> None:
    actuation = Actuation("flap", 0, 1, (1,))
    rig.station.supervisor.observer.on_stroke(Stroke(actuation, 1, 2, StrokeOutcome.FAILED))
    tick_alive(rig.station, rig.clock.now())
    assert [(fault.kind, fault.detail) for fault in rig.health.faults] == [(FaultKind.ACTUATOR_REFUSED, "flap")]
    assert rig.schedule.inhibited
    rig.station.supervisor.observer.on_stroke(Stroke(actuation, 1, 2, StrokeOutcome.FIRED))
    tick_alive(rig.station, rig.clock.now())
    assert not rig.schedule.inhibited


def test_closing_leaves_everything_off(rig: Rig) -> None:
    for _ in range(2):
        rig.station.station_io.close()
        rig.station.safe_state.close()
    assert not rig.level(BELT_RELAY)
    assert not rig.level(BEACON)


@pytest.mark.parametrize(("part", "callback"), [(StationIO, "on_stop"), (Inputs, "on_change")])
def test_no_station_io_and_no_inputs_can_be_made_without_saying_who_stops(part: type, callback: str) -> None:
    assert inspect.signature(part).parameters[callback].default is inspect.Parameter.empty


class PressedWhileItLetsGo(Schedule):
    """The emergency stop is pressed in the very moment in which the supervisor lets the strokes go on."""

    press: Callable[[], None]

    def resume(self) -> None:
        self.press()
        super().resume()


def test_a_stop_pressed_while_the_station_is_being_let_go_on_holds() -> None:
    clock, pins = VirtualClock(), RestingPins()
    health = Health(clock.now())
    health.beat(clock.now())
    schedule = PressedWhileItLetsGo(open_actuators(STATION, pins, clock), {"flap": ms(2000)})
    safe_state = SafeState(schedule, pins, OutputPins(belt=BELT_RELAY), health, clock, Observer())
    safe_state.open()
    safe_state.enter(clock.now())
    schedule.press = safe_state.emergency_stop
    safe_state.follow(clock.now())
    assert safe_state.is_held
    assert not pins.pin(BELT_RELAY).state


def test_a_reset_from_afar_sees_to_faults_and_ends_no_emergency_stop() -> None:
    rig = Rig()
    io = rig.station.station_io
    rig.health.raise_fault(FaultKind.JOURNAL_DAMAGED, rig.clock.now())
    io.resets.put("MQTT")
    io.poll(rig.clock.now())
    assert rig.health.faults == []
    rig.health.estop(rig.clock.now())
    rig.health.chain_closed(rig.clock.now())
    io.resets.put("MQTT")
    io.poll(rig.clock.now())
    assert rig.health.state is State.ESTOP
    io.poll(rig.clock.now())
    io.reset(rig.clock.now())
    assert rig.health.faults == []
