"""Both clocks keep the same promises; the virtual one proves that nothing really waits."""

from __future__ import annotations

import threading

import pytest

from edge.clock import NS_PER_MS, NS_PER_S, SystemClock, VirtualClock, ms
from edge.interfaces import Clock

CLOCKS: dict[str, type[SystemClock] | type[VirtualClock]] = {"system": SystemClock, "virtual": VirtualClock}


@pytest.fixture(params=list(CLOCKS))
def clock(request: pytest.FixtureRequest) -> Clock:
    return CLOCKS[request.param]()


def test_it_counts_whole_nanoseconds_that_never_go_back(clock: Clock) -> None:
    instants = [clock.now() for _ in range(100)]
    assert all(isinstance(instant, int) for instant in instants)
    assert instants == sorted(instants)


def test_sleeping_ends_at_the_instant_or_later(clock: Clock) -> None:
    instant = clock.now() + ms(2)
    assert clock.sleep_until(instant) is True
    assert clock.now() >= instant


def test_an_instant_in_the_past_is_no_wait(clock: Clock) -> None:
    before = clock.now()
    assert clock.sleep_until(before - NS_PER_S) is True
    assert clock.sleep_until(0, threading.Event()) is True
    assert clock.now() >= before


def test_an_interrupt_ends_a_sleep_before_it_begins(clock: Clock) -> None:
    interrupt = threading.Event()
    interrupt.set()
    instant = clock.now() + 3600 * NS_PER_S
    assert clock.sleep_until(instant, interrupt) is False
    assert clock.now() < instant


def test_wall_time_is_a_date_of_this_century(clock: Clock) -> None:
    assert 1_600_000_000 < clock.wall_time() < 4_000_000_000


def test_a_sleep_of_the_system_clock_is_interrupted_from_another_thread() -> None:
    clock, interrupt = SystemClock(), threading.Event()
    timer = threading.Timer(0.01, interrupt.set)
    timer.start()
    assert clock.sleep_until(clock.now() + 60 * NS_PER_S, interrupt) is False
    timer.join()


def test_virtual_time_moves_only_when_told() -> None:
    clock = VirtualClock(start=5)
    assert (clock.now(), clock.now()) == (5, 5)
    clock.advance_to(7)
    assert clock.now() == 7
    with pytest.raises(ValueError, match="can't go back"):
        clock.advance_to(6)


def test_virtual_wall_time_runs_with_it() -> None:
    clock = VirtualClock()
    before = clock.wall_time()
    clock.sleep_until(clock.now() + 90 * NS_PER_S)
    assert clock.wall_time() - before == pytest.approx(90)


def test_milliseconds_are_whole_nanoseconds() -> None:
    assert ms(1.5) == 1_500_000
    assert ms(0.1 + 0.2) == 300_000
    assert NS_PER_S == 1000 * NS_PER_MS
