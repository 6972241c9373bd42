"""Contacts that chatter, encoders that run both ways, and the pins behind them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.paths import STATIONS

from edge.clock import VirtualClock, ms
from edge.config import load_station
from edge.config.inputs import ESTOP, Input, InputName, InputRole
from edge.devices.gpio.inputs import Debouncer, Edge, Inputs, InputWiring, Quadrature
from edge.devices.gpio.mock_pins import MockPins

SETTLE = ms(5)
EXIT = InputName(InputRole.EXIT, "plastic")


def play(debouncer: Debouncer, levels: list[tuple[int, bool]], until: int) -> list[tuple[bool, int]]:
    """Feed (instant in ms, level) and let time run to `until` ms."""
    changes = [debouncer.edge(level, ms(at)) for at, level in levels]
    changes.append(debouncer.settle(ms(until)))
    return [change for change in changes if change is not None]


def test_a_clean_contact_is_one_change_with_its_own_instant() -> None:
    assert play(Debouncer(False, SETTLE), [(100, True)], 104) == []
    assert play(Debouncer(False, SETTLE), [(100, True)], 105) == [(True, ms(100))]


def test_chatter_is_one_change_at_the_first_contact() -> None:
    chatter = [(100, True), (101, False), (102, True), (103, False), (104, True)]
    assert play(Debouncer(False, SETTLE), chatter, 120) == [(True, ms(100))]


def test_a_spike_shorter_than_the_settling_time_is_nothing() -> None:
    assert play(Debouncer(False, SETTLE), [(100, True), (102, False)], 200) == []


def test_an_emergency_stop_counts_at_its_first_contact_and_ends_only_at_rest() -> None:
    stop = Debouncer(False, SETTLE, eager=True)
    assert stop.edge(True, ms(100)) == (True, ms(100))
    assert play(stop, [(101, False), (102, True)], 200) == []
    assert play(stop, [(300, False)], 310) == [(False, ms(300))]


@given(st.lists(st.tuples(st.integers(1, 20), st.booleans()), max_size=60), st.booleans())
def test_changes_alternate_and_end_with_the_level_that_stayed(steps: list[tuple[int, bool]], eager: bool) -> None:
    debouncer = Debouncer(False, SETTLE, eager)
    at, seen, last = 0, [], False
    for gap, level in steps:
        at += gap
        seen.append(debouncer.edge(level, ms(at)))
        last = level
    seen.append(debouncer.settle(ms(at + 100)))
    changes = [change for change in seen if change is not None]
    assert debouncer.active == last
    assert debouncer.next_at() is None
    if not eager:
        assert [active for active, _ in changes] == [n % 2 == 0 for n in range(len(changes))]
    assert [instant for _, instant in changes] == sorted(instant for _, instant in changes)


@given(st.lists(st.sampled_from([-1, 1]), max_size=200))
def test_an_encoder_counts_every_step_both_ways(steps: list[int]) -> None:
    forwards = [(False, False), (True, False), (True, True), (False, True)]
    encoder, place = Quadrature(False, False), 0
    for step in steps:
        place += step
        assert encoder.update(*forwards[place % 4]) == step


def test_an_encoder_that_skips_a_state_counts_nothing_and_goes_on_from_there() -> None:
    encoder = Quadrature(False, False)
    assert encoder.update(True, True) == 0
    assert encoder.update(False, True) == 1


class Rig:
    """The conveyor station's inputs on mock pins."""

    def __init__(self, inputs: dict[str, Input] | None = None) -> None:
        self.pins, self.clock, self.ticks = MockPins(), VirtualClock(), 0
        self._edges: list[Edge] = []
        station = load_station(STATIONS / "conveyor.toml").model_copy(update={"inputs": inputs or {}})
        self.inputs = Inputs(InputWiring.of(station), self.pins, self.clock, self._edges.append, self._count)

    def _count(self, at: int, step: int) -> None:
        assert at == self.clock.now()
        self.ticks += step

    def edges(self) -> list[Edge]:
        """Return those told since the last call."""
        told, self._edges[:] = self._edges[:], []
        return told

    def set(self, pin: int, level: bool) -> None:
        mock: Any = self.pins.pin(pin)
        if level:
            mock.drive_high()
        else:
            mock.drive_low()

    def run(self, milliseconds: float) -> list[Edge]:
        self.clock.advance_to(self.clock.now() + ms(milliseconds))
        self.inputs.run_due(self.clock.now())
        return self.edges()


def test_all_fitted_inputs_have_names() -> None:
    assert set(map(str, Rig().inputs.names)) == {"estop", "reset", "jam", "full:metal", "full:paper", "exit:plastic"}


def test_an_input_is_called_the_same_in_a_file_and_in_the_program() -> None:
    for text in map(str, Rig().inputs.names):
        assert str(InputName.parse(text)) == text


@pytest.mark.parametrize("text", ["", "exit", "exit:", "jam:", "jam:metal", "nothing", "Exit:metal", "bin:exit:metal"])
def test_what_no_input_is_called_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(ValueError, match="expected estop, reset, jam, beam, full:BIN or exit:BIN"):
        InputName.parse(text)


def test_an_open_emergency_stop_chain_is_stopped_from_the_start() -> None:
    assert Rig().inputs.is_active(ESTOP)  # mock pins follow the pull-down: nothing holds the chain high


def test_the_emergency_stop_is_told_from_within_the_edge() -> None:
    rig = Rig()
    rig.set(16, True)
    rig.run(100)
    assert not rig.inputs.is_active(ESTOP)
    rig.set(16, False)
    assert rig.edges() == [Edge(ESTOP, True, rig.clock.now())]


def test_a_sensor_is_told_once_it_has_settled_with_its_first_instant() -> None:
    rig = Rig()
    rig.run(100)
    contact = rig.clock.now()
    rig.set(23, False)
    assert rig.edges() == []
    assert rig.inputs.next_at() == contact + SETTLE
    assert rig.run(6) == [Edge(EXIT, True, contact)]
    assert rig.run(100) == []
    assert rig.inputs.is_active(EXIT)


def test_what_was_learnt_of_a_sensor_is_used() -> None:
    rig = Rig({"exit:plastic": Input(active_low=False, debounce_ms=20)})
    assert rig.inputs.is_active(EXIT)  # mock pins follow the pull-up
    rig.set(23, False)
    rig.run(100)
    contact = rig.clock.now()
    rig.set(23, True)
    assert rig.run(19) == []
    assert rig.run(2) == [Edge(EXIT, True, contact)]


def test_the_encoder_s_edges_are_ticks() -> None:
    rig = Rig()
    for a, b in ((False, True), (False, False), (True, False), (True, True)) * 3:
        rig.set(5, a)
        rig.set(6, b)
    assert abs(rig.ticks) == 12


def test_closed_inputs_are_silent() -> None:
    rig = Rig()
    rig.run(100)
    rig.inputs.close()
    rig.inputs.close()
    rig.set(23, False)
    rig.set(5, False)
    assert (rig.edges(), rig.ticks) == ([], 0)


def test_an_unknown_input_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(KeyError):
        Rig().inputs.is_active(InputName(InputRole.EXIT, "nowhere"))
