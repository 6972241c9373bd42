"""How long whoever guesses tokens has to wait."""

from __future__ import annotations

from edge.clock import NS_PER_S, VirtualClock
from edge.web.serving.visitors import LOCALHOST
from edge.web.station.attempts import FREE, MOST_ADDRESSES, MOST_WAIT_OF_ALL_S, MOST_WAIT_S, Attempts

HOUR_S = 3600


def guess(attempts: Attempts, clock: VirtualClock, origin: str, seconds: float) -> int:
    """Guess as fast as one may for so long; return how often."""
    count, until = 0, clock.now() + int(seconds * NS_PER_S)
    while clock.now() <= until:
        wait_s = attempts.wait_s(origin)
        if wait_s == 0:
            attempts.failed(origin)
            count += 1
        clock.advance_to(clock.now() + max(1, int(wait_s * NS_PER_S)))
    return count


def test_a_stranger_guesses_a_few_dozen_times_a_day_and_localhost_is_never_kept_out_for_long() -> None:
    clock = VirtualClock()
    attempts = Attempts(clock)
    assert guess(attempts, clock, "192.168.1.9", 24 * HOUR_S) <= FREE + 10 + 24 * HOUR_S / MOST_WAIT_S
    for _ in range(1000):
        attempts.failed(LOCALHOST)
    assert 0 < attempts.wait_s(LOCALHOST) <= 5


def test_many_addresses_slow_each_other_down_and_not_localhost() -> None:
    clock = VirtualClock()
    attempts = Attempts(clock)
    for number in range(200):
        attempts.failed(f"10.0.0.{number}")
    assert 0 < attempts.wait_s("10.0.1.1") <= MOST_WAIT_OF_ALL_S
    assert attempts.wait_s(LOCALHOST) == 0


def test_the_right_token_begins_anew_and_so_does_an_hour() -> None:
    clock = VirtualClock()
    attempts = Attempts(clock)
    for _ in range(FREE):
        attempts.failed("a")
        attempts.failed("b")
    assert attempts.wait_s("a") > 0
    attempts.succeeded("a")
    assert attempts.wait_s("a") == 0
    clock.advance_to(clock.now() + 2 * HOUR_S * NS_PER_S)
    attempts.failed("b")
    assert attempts.wait_s("b") == 0


def test_what_is_kept_of_strangers_is_bounded_and_the_sum_stays() -> None:
    attempts = Attempts(VirtualClock())
    for number in range(3 * MOST_ADDRESSES):
        attempts.failed(f"2001:db8:{number:x}::/64")
    assert attempts.wait_s("another") > 0
    assert len(attempts._failures) <= MOST_ADDRESSES
