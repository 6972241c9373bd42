"""A flap takes its time, whatever its pin says."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.clock import ms
from edge.simulate.world.flap import Flap

LEAD, BACK = ms(40), ms(60)
commands = st.lists(st.tuples(st.integers(1, 90), st.sampled_from(["a", "b", None])), max_size=12)


def driven(steps: list[tuple[int, str | None]]) -> tuple[Flap, int]:
    flap, at = Flap(0, ("a", "b"), LEAD, BACK), 0
    for wait_ms, position in steps:
        at += ms(wait_ms)
        flap.command(at, position)
    return flap, at


@settings(max_examples=60)
@given(commands)
def test_it_moves_no_faster_than_its_travel_times(steps: list[tuple[int, str | None]]) -> None:
    flap, end = driven(steps)
    for at in range(0, end + ms(100), ms(1)):
        before, after = flap.extension("a", at), flap.extension("a", at + ms(1))
        assert 0 <= after <= 1
        assert -1 / 60 - 1e-9 <= after - before <= 1 / 40 + 1e-9


@settings(max_examples=60)
@given(commands, st.integers(0, 600), st.integers(0, 200))
def test_extremes_are_those_of_the_whole_interval(steps: list[tuple[int, str | None]], begin: int, span: int) -> None:
    flap, _ = driven(steps)
    sampled = [flap.extension("b", ms(begin) + ms(span) * n // 400) for n in range(401)]
    least, most = flap.extremes("b", ms(begin), ms(begin + span))
    between = span / 400 / 40  # what it can move from one sample to the next
    assert min(sampled) - between <= least <= min(sampled) + 1e-9
    assert max(sampled) - 1e-9 <= most <= max(sampled) + between


@settings(max_examples=60)
@given(commands)
def test_a_flap_left_alone_arrives(steps: list[tuple[int, str | None]]) -> None:
    flap, end = driven([*steps, (90, "a")])
    assert flap.extension("a", end + LEAD) == 1.0
    assert flap.extension("b", end + BACK) == 0.0


def test_a_stuck_flap_stays_and_catches_up_when_it_is_free() -> None:
    flap = Flap(0, ("",), LEAD, BACK)
    flap.command(0, "")
    flap.set_stuck(ms(20), True)
    flap.command(ms(30), None)
    assert flap.extension("", ms(500)) == pytest.approx(0.5)
    flap.set_stuck(ms(500), False)
    assert flap.extension("", ms(530)) == pytest.approx(0.0)


def test_without_power_it_falls_back_and_hears_nothing() -> None:
    flap = Flap(0, ("",), LEAD, BACK)
    flap.command(0, "")
    flap.set_powered(ms(100), False)
    assert flap.extension("", ms(160)) == 0.0
    flap.command(ms(200), None)
    flap.command(ms(300), "")
    assert flap.extension("", ms(400)) == 0.0
    flap.set_powered(ms(500), True)
    assert flap.extension("", ms(540)) == 1.0


def test_an_unknown_position_is_refused() -> None:
    with pytest.raises(ValueError, match="expected one of"):
        Flap(0, ("a",), LEAD, BACK).command(0, "c")
