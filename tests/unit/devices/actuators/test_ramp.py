"""The speed profile of steppers: arrives exactly, never faster than allowed, never turns at speed."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from edge.clock import NS_PER_S
from edge.devices.actuators.ramp import Ramp

SPEEDS = st.floats(1, 5000)
ACCELERATIONS = st.floats(10, 1e6)


@given(st.integers(-500, 500), SPEEDS, ACCELERATIONS)
def test_it_makes_exactly_the_steps_to_its_target(target: int, speed: float, acceleration: float) -> None:
    ramp, place, steps = Ramp(speed, acceleration), 0, 0
    while (direction := ramp.step(target - place)) != 0:
        place += direction
        steps += 1
    assert (place, steps) == (target, abs(target))
    assert not ramp.moving


@given(st.lists(st.tuples(st.integers(-300, 300), st.integers(0, 60)), max_size=8), SPEEDS, ACCELERATIONS)
def test_it_follows_targets_that_change_on_the_way(
    targets: list[tuple[int, int]], speed: float, acceleration: float
) -> None:
    """After any history it stops at the last target, having turned back only from standing still."""
    ramp, place, last = Ramp(speed, acceleration), 0, 0
    for target, patience in [*targets, (0, 10_000)]:
        for _ in range(patience):
            was_moving = ramp.moving
            direction = ramp.step(target - place)
            if direction == 0:
                break
            assert direction == last or not was_moving
            assert ramp.interval_ns() >= math.floor(NS_PER_S / speed)
            place, last = place + direction, direction
    assert place == 0


@given(st.integers(2, 400), SPEEDS, ACCELERATIONS)
def test_its_speed_keeps_to_the_acceleration(distance: int, speed: float, acceleration: float) -> None:
    ramp, place, intervals = Ramp(speed, acceleration), 0, []
    while (direction := ramp.step(distance - place)) != 0:
        place += direction
        intervals.append(ramp.interval_ns() / NS_PER_S)
    for steps, interval in enumerate(intervals, start=1):
        allowed = math.sqrt(2 * acceleration * max(1, min(steps, distance - steps + 1)))
        assert 1 / interval <= min(max(allowed, math.sqrt(2 * acceleration)), speed) * 1.001
