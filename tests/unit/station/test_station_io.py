"""Emergency stop, reset, jam, full bins, belt relay and beacon on mock pins and a virtual clock."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from edge.clock import NS_PER_S, VirtualClock, ms
from edge.config import Station
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

ESTOP, RESET, JAM, FULL, RESIDUAL, EXIT, BELT, BEACON, FLAP = 5, 6, 13, 16, 19, 20, 21, 26, 17

STATION = Station.model_validate(
    {
        "name": "bench",
        "kind": "conveyor",
        "camera": {"type": "simulated"},
        "belt": {"speed_mm_per_s": 250, "mm_per_pixel": 0.8, "run_pin": BELT},
        "actuators": [{"name": "flap", "type": "digital", "pin": FLAP}],
        "bins": [
            {"name": "glass", "labels": ["glass"], "actuator": "flap", "distance_mm": 300, "full_pin": FULL},
            {"name": "residual", "full_pin": RESIDUAL, "exit_pin": EXIT},
        ],
        "safety": {"estop_pin": ESTOP, "reset_pin": RESET, "jam_pin": JAM, "beacon_pin": BEACON},
    }
)


class Bench:
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
def bench() -> Bench:
    station = Bench()
    station.pass_time()
    return station


def test_the_belt_runs_only_when_sorting_does() -> None:
    bench = Bench()
    assert not bench.level(BELT)
    bench.pass_time()
    assert bench.level(BELT)
    assert not bench.level(BEACON)


def test_the_emergency_stop_makes_the_pins_safe_within_the_edge_itself(bench: Bench) -> None:
    bench.fire()
    assert bench.level(FLAP)
    bench.drive(ESTOP, False)
    assert not bench.level(FLAP)
    assert not bench.level(BELT)
    assert bench.health.state is State.ESTOP
    bench.pass_time()
    assert bench.level(BEACON)


def test_nothing_moves_again_before_the_reset(bench: Bench) -> None:
    bench.drive(ESTOP, False)
    bench.pass_time()
    bench.drive(ESTOP, True)
    bench.pass_time(NS_PER_S)
    assert bench.health.state is State.ESTOP
    bench.fire()
    assert not bench.level(FLAP)
    bench.drive(RESET, False)
    bench.pass_time()
    assert bench.health.state is State.RUNNING
    assert bench.level(BELT)
    bench.fire()
    assert bench.level(FLAP)


def test_a_reset_button_that_is_held_or_pressed_too_early_does_nothing(bench: Bench) -> None:
    bench.drive(RESET, False)
    bench.drive(ESTOP, False)
    bench.pass_time()
    bench.drive(ESTOP, True)
    bench.pass_time(CLOSED_NS + ms(200))
    assert bench.health.state is State.ESTOP
    bench.drive(RESET, True)
    bench.pass_time()
    assert bench.health.state is State.ESTOP


def test_a_chain_that_is_open_at_the_start_is_an_emergency_stop() -> None:
    bench = Bench(chain_closed=False)
    bench.pass_time()
    assert bench.health.state is State.ESTOP
    assert not bench.level(BELT)


def test_a_jam_has_to_last_and_stops_the_belt(bench: Bench) -> None:
    bench.drive(JAM, False)
    bench.pass_time(JAM_NS - ms(200))
    bench.drive(JAM, True)
    bench.pass_time(NS_PER_S)
    assert bench.health.counts[FaultKind.JAM] == 0
    bench.drive(JAM, False)
    bench.pass_time(JAM_NS + ms(200))
    assert bench.health.state is State.FAULT
    assert not bench.level(BELT)
    bench.drive(JAM, True)
    bench.pass_time()
    assert bench.level(BELT)


def test_a_full_bin_sends_its_items_to_residual_and_a_full_residual_stops(bench: Bench) -> None:
    bench.drive(FULL, False)
    bench.pass_time(FULL_NS + ms(200))
    assert bench.health.state is State.DEGRADED
    assert bench.policy.unavailable == {"glass": Reason.BIN_FULL}
    bench.drive(FULL, True)
    bench.pass_time()
    assert bench.policy.unavailable == {}
    bench.drive(RESIDUAL, False)
    bench.pass_time(FULL_NS + ms(200))
    assert [fault.kind for fault in bench.health.faults] == [FaultKind.RESIDUAL_FULL]
    assert bench.policy.held


def test_edges_that_are_no_fault_are_passed_on(bench: Bench) -> None:
    bench.drive(EXIT, False)
    bench.pass_time()
    assert [(str(edge.name), edge.active) for edge in bench.edges] == [("exit:residual", True)]


def test_a_pin_that_refuses_is_a_fault_until_it_works(bench: Bench) -> None:
    actuation = Actuation("flap", 0, 1, (1,))
    bench.supervisor.note_strokes([Stroke(actuation, 1, 2, StrokeOutcome.FAILED)])
    bench.supervisor.turn(bench.clock.now())
    assert [(fault.kind, fault.detail) for fault in bench.health.faults] == [(FaultKind.ACTUATOR_REFUSED, "flap")]
    assert bench.schedule.held
    bench.supervisor.note_strokes([Stroke(actuation, 1, 2, StrokeOutcome.FIRED)])
    bench.supervisor.turn(bench.clock.now())
    assert not bench.schedule.held


def test_closing_leaves_everything_off(bench: Bench) -> None:
    bench.panel.close()
    bench.panel.close()
    assert not bench.level(BELT)
    assert not bench.level(BEACON)


@pytest.mark.parametrize(("part", "callback"), [(Panel, "on_stop"), (Inputs, "on_change")])
def test_no_panel_and_no_inputs_can_be_made_without_saying_who_stops(part: type, callback: str) -> None:
    assert inspect.signature(part).parameters[callback].default is inspect.Parameter.empty
