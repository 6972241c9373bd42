"""Where the belt is, and when it will be somewhere."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.clock import NS_PER_S, ms
from edge.simulate.world.event_queue import EventQueue
from edge.simulate.world.motion import BeltMotion

changes = st.lists(st.tuples(st.integers(0, 3_000), st.sampled_from([0.0, 80.0, 250.0, 1000.0])), max_size=8)


def motion_of(steps: list[tuple[int, float]]) -> BeltMotion:
    motion = BeltMotion(NS_PER_S, 250.0)
    at = NS_PER_S
    for wait_ms, speed in steps:
        at += ms(wait_ms)
        motion.set_speed(at, speed)
    return motion


@settings(max_examples=60)
@given(changes, st.lists(st.integers(0, 30_000), min_size=2, max_size=10))
def test_the_belt_never_runs_backwards(steps: list[tuple[int, float]], instants: list[int]) -> None:
    motion = motion_of(steps)
    positions = [motion.position(NS_PER_S + ms(at)) for at in sorted(instants)]
    assert positions == sorted(positions)


@settings(max_examples=60)
@given(changes, st.floats(0, 5000))
def test_the_instant_of_a_position_is_the_first_at_which_the_belt_is_there(
    steps: list[tuple[int, float]], position: float
) -> None:
    motion = motion_of(steps)
    at = motion.instant_at(position)
    if at is None:
        assert motion.speed == 0
        assert motion.position(NS_PER_S * 1000) <= position
    else:
        assert motion.position(at) == pytest.approx(position, abs=1e-4)
        assert motion.position(at - ms(1)) <= position + 1e-4


def test_a_stopped_belt_stays_where_it_is() -> None:
    motion = BeltMotion(0, 100.0)
    motion.set_speed(NS_PER_S, 0.0)
    assert motion.position(10 * NS_PER_S) == 100.0
    assert motion.instant_at(100.5) is None
    motion.set_speed(20 * NS_PER_S, 100.0)
    assert motion.instant_at(150.0) == 20 * NS_PER_S + NS_PER_S // 2


def test_a_belt_that_starts_later_is_past_the_places_before_its_start() -> None:
    motion = BeltMotion(NS_PER_S, 0.0)
    assert motion.instant_at(-60.0) == NS_PER_S
    assert motion.instant_at(1.0) is None
    motion.set_speed(2 * NS_PER_S, 100.0)
    assert motion.instant_at(-60.0) == NS_PER_S
    assert motion.instant_at(100.0) == 3 * NS_PER_S


def test_a_change_in_the_past_is_refused() -> None:
    motion = BeltMotion(0, 100.0)
    motion.set_speed(NS_PER_S, 50.0)
    with pytest.raises(ValueError, match="expected an instant"):
        motion.set_speed(NS_PER_S - 1, 10.0)


def test_the_agenda_follows_a_belt_that_changes_its_speed() -> None:
    motion, events, done = BeltMotion(0, 100.0), EventQueue(), []
    events.when(motion, 200.0, lambda at: done.append(("belt", at)))
    events.at(NS_PER_S, lambda at: done.append(("clock", at)))
    assert events.next_at() == NS_PER_S
    events.run_due(NS_PER_S)
    motion.set_speed(NS_PER_S, 50.0)
    assert events.next_at() == 3 * NS_PER_S
    events.run_due(3 * NS_PER_S - 1)
    assert done == [("clock", NS_PER_S)]
    events.run_due(3 * NS_PER_S)
    assert done == [("clock", NS_PER_S), ("belt", 3 * NS_PER_S)]
    assert events.next_at() is None


def test_what_is_due_at_one_instant_happens_in_the_order_of_entry() -> None:
    events, done = EventQueue(), []
    for n in range(5):
        events.at(7, lambda at, n=n: done.append(n))  # type: ignore[misc]
    events.run_due(7)
    assert done == [0, 1, 2, 3, 4]
