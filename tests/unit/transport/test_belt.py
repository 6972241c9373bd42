"""The belt's position as a function of time, whatever it is known from."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.clock import NS_PER_S, ms
from edge.transport import BeltModel
from edge.transport.belt import ENCODER_WINDOW_NS

S = NS_PER_S


def test_a_steady_belt_moves_by_its_nominal_speed() -> None:
    belt = BeltModel(250)
    assert belt.travel(2 * S, 4 * S) == pytest.approx(500)
    assert belt.arrival(belt.position(S) + 125, S) == S + ms(500)


def test_an_encoder_stands_until_its_first_tick() -> None:
    belt = BeltModel(250, ticks_per_mm=2)
    assert belt.speed(5 * S) == 0
    assert belt.arrival(10, 5 * S) is None


def run_encoder(belt: BeltModel, start: int, seconds: float, speed: float, ticks_per_mm: float = 2.0) -> int:
    """Tick at every edge; return the instant of the last one."""
    at = start
    for number in range(1, int(seconds * speed * ticks_per_mm) + 1):
        at = start + round(number / (speed * ticks_per_mm) * S)
        belt.tick(at)
    return at


def test_an_encoder_gives_position_and_speed() -> None:
    belt = BeltModel(250, ticks_per_mm=2)
    last = run_encoder(belt, S, 2.0, 180)
    assert belt.position(last) == pytest.approx(360, abs=2)
    assert belt.speed(last) == pytest.approx(180, rel=0.02)
    assert belt.arrival(belt.position(last) + 90, last) == pytest.approx(last + ms(500), abs=ms(12))


def test_an_encoder_that_falls_silent_means_a_stopped_belt() -> None:
    belt = BeltModel(250, ticks_per_mm=2)
    last = run_encoder(belt, S, 1.0, 180)
    assert belt.speed(last + ENCODER_WINDOW_NS // 2) > 0
    assert belt.speed(last + ENCODER_WINDOW_NS + 1) == 0
    assert belt.arrival(1e6, last + ENCODER_WINDOW_NS + 1) is None
    again = run_encoder(belt, last + 5 * S, 1.0, 180)
    assert belt.speed(again) == pytest.approx(180, rel=0.02)
    assert belt.position(again) == pytest.approx(360, abs=3)


def test_a_tick_without_an_encoder_is_an_error() -> None:
    with pytest.raises(ValueError, match="ticks_per_mm"):
        BeltModel(250).tick(S)


def test_items_correct_a_wrong_nominal_speed() -> None:
    belt = BeltModel(250)
    for number in range(5):
        belt.item_passed((number + 1) * S, 230 + number % 2)
    assert belt.measured_speed == pytest.approx(230)
    assert belt.speed(6 * S) == pytest.approx(230)
    assert belt.travel(6 * S, 7 * S) == pytest.approx(230)


def test_one_odd_item_changes_nothing() -> None:
    belt = BeltModel(250)
    for number, speed in enumerate((250, 251, 120, 249, 250)):
        belt.item_passed((number + 1) * S, speed)
    assert belt.speed(6 * S) == 250


def test_a_belt_seen_standing_stands_until_it_is_seen_moving() -> None:
    belt = BeltModel(250)
    belt.seen_moving(2 * S, moving=False)
    assert belt.speed(3 * S) == 0
    assert belt.travel(2 * S, 5 * S) == 0
    belt.seen_moving(5 * S, moving=True)
    assert belt.travel(2 * S, 6 * S) == pytest.approx(250)


@given(st.lists(st.tuples(st.integers(1, 2000), st.booleans()), max_size=30))
def test_the_position_never_goes_back(changes: list[tuple[int, bool]]) -> None:
    belt = BeltModel(250)
    now, instants = S, [S]
    for gap_ms, moving in changes:
        now += ms(gap_ms)
        belt.seen_moving(now, moving=moving)
        instants.append(now)
    positions = [belt.position(at) for at in instants]
    assert positions == sorted(positions)
