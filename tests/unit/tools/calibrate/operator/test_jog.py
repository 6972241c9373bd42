"""A servo under the arrow keys: it never leaves its limits, and ends where it is safe, without pulses."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from edge.config.actuators import Servo
from edge.devices.gpio.mock_pins import MockPins
from edge.devices.gpio.pins import SERVO_HZ
from edge.tools.calibrate.operator.jog import Jog, find_positions

RIGHT, LEFT, UP = "\x1b[C", "\x1b[D", "\x1b[A"
SERVO = Servo(type="servo", name="arm", pin=18, safe_us=1100, positions_us={"out": 1800}, min_us=1000, max_us=1900)


@pytest.fixture
def pins() -> Iterator[MockPins]:
    pins = MockPins()
    yield pins
    pins.close()


def width_us(pins: MockPins) -> int:
    return round(float(pins.pin(18).state) * 1e6 / SERVO_HZ)


def test_the_arrow_keys_find_every_position(pins: MockPins) -> None:
    keys = iter([LEFT, LEFT, "\r", RIGHT, "x", "\r"])
    said: list[str] = []
    found = find_positions(Jog(SERVO, pins), lambda: next(keys), said.append)
    assert found == (1090, {"out": 1805})
    assert width_us(pins) == 1805
    assert any("Back off" in line for line in said)


def test_it_stays_within_its_limits_and_says_so(pins: MockPins) -> None:
    keys = iter(["\r", UP, UP, UP, "\r"])
    said: list[str] = []
    assert find_positions(Jog(SERVO, pins), lambda: next(keys), said.append) == (1100, {"out": 1900})
    assert "limit: 1000 to 1900 us" in said[-1]
    assert width_us(pins) == 1900


def test_leaving_a_position_as_it_was_keeps_the_ones_before_and_after_it(pins: MockPins) -> None:
    servo = SERVO.with_values(positions_us={"out": 1800, "half": 1500, "back": 1300})
    keys = iter([LEFT, "\r", RIGHT, "\r", RIGHT, RIGHT, "q", LEFT, "\r"])
    said: list[str] = []
    found = find_positions(Jog(servo, pins), lambda: next(keys), said.append)
    assert found == (1095, {"out": 1805, "half": 1500, "back": 1295})
    assert "position half: 1500 us, as it was" in said
    assert width_us(pins) == 1295


def test_closed_it_gets_no_pulses(pins: MockPins) -> None:
    jog = Jog(SERVO, pins)
    assert width_us(pins) == 1100
    jog.close()
    assert pins.pin(18).frequency is None
    assert pins.pin(18).state == 0
