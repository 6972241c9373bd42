"""Pins of a real Pi, over an imitation of the module lgpio and of /sys/class/pwm; and `sorter safe`."""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.paths import STATIONS

from edge.clock import VirtualClock, ms
from edge.config.actuators import Digital, Servo
from edge.devices.actuators import open_actuator
from edge.devices.actuators.actuator_type import SafeOutput
from edge.devices.gpio.mock_pins import MockPins
from edge.devices.gpio.pins import open_pins
from edge.devices.gpio.sysfs_pwm import SysfsPwmPin
from edge.errors import ActuatorError, SetupError
from edge.station.stops.safe_outputs import drive_safe, read_safe_outputs

RELAY = Digital(type="digital", name="relay", pin=17, active_high=False)
FLAP = Servo(type="servo", name="flap", pin=18, safe_us=1500, positions_us={"left": 1100, "right": 1901})


@dataclass
class Pulses:
    """What lgpio's thread does to one line: entries (width in us, cycles left; -1 is for ever), one after the other."""

    period_us: int
    entries: list[list[int]]
    due_us: int
    rising: bool = True

    def run(self, until_us: int) -> tuple[bool, int | None]:
        """Go on until an instant; return whether pulses are still to come, and the line's level if it was driven."""
        level = None
        while self.due_us <= until_us:
            if not self.rising:
                level, self.rising = 0, True
                self.due_us += self.period_us - self.entries[0][0]
                continue
            if self.entries[0][1] <= 0 and len(self.entries) > 1:
                del self.entries[0]
            if self.entries[0][1] == 0:
                return False, 0
            level, self.rising = 1, False
            self.due_us += self.entries[0][0]
            self.entries[0][1] = max(self.entries[0][1] - 1, -1) if self.entries[0][1] > 0 else -1
        return True, level


class FakeLgpio(types.ModuleType):
    """As much of lgpio 0.2.2 as gpiozero and the driven pins use; `calls` keeps what reached the chip.

    Servo pulses run on `clock`; what lgpio refuses is refused, and pulses that are stopped leave the line as it is.
    """

    SET_PULL_UP, SET_PULL_DOWN, SET_PULL_NONE = 32, 64, 128
    BOTH_EDGES, RISING_EDGE, FALLING_EDGE = 3, 1, 2
    TX_PWM, TX_WAVE = 0, 1
    QUEUE = 10

    class error(Exception):  # noqa: N801, N818 - lgpio calls it so
        pass

    def __init__(self) -> None:
        super().__init__("lgpio")
        self.calls: list[tuple[Any, ...]] = []
        self.busy: set[int] = set()
        self.levels: dict[int, int] = {}
        self.clock = VirtualClock()
        self.pulses: dict[int, Pulses] = {}

    def gpiochip_open(self, chip: int) -> int:
        self.calls.append(("open", chip))
        return 0

    def gpiochip_close(self, handle: int) -> None:
        self.calls.append(("close",))

    def gpio_claim_output(self, handle: int, pin: int, level: int = 0, flags: int = 0) -> int:
        if pin in self.busy:
            raise FakeLgpio.error("'GPIO busy'")
        self.calls.append(("output", pin, level, flags))
        self.levels[pin] = level
        return 0

    def gpio_claim_input(self, handle: int, pin: int, flags: int = 0) -> int:
        self.calls.append(("input", pin, flags))
        return 0

    def gpio_free(self, handle: int, pin: int) -> int:
        self.calls.append(("free", pin))
        return 0

    def gpio_write(self, handle: int, pin: int, level: int) -> int:
        self.calls.append(("write", pin, level))
        self.levels[pin] = level
        return 0

    def gpio_read(self, handle: int, pin: int) -> int:
        return self.levels.get(pin, 0)

    def gpio_get_mode(self, handle: int, pin: int) -> int:
        return 0

    def tx_servo(self, handle: int, pin: int, width: int, frequency: int = 50, offset: int = 0, cycles: int = 0) -> int:
        self.run_pulses()
        self.calls.append(("servo", pin, width, frequency, cycles))
        running = self.pulses.get(pin)
        if width == 0:
            if running is None:
                raise FakeLgpio.error("'bad PWM micros'")
            del self.pulses[pin]
            return 0
        if not 40 <= frequency <= 500:
            raise FakeLgpio.error("'bad servo frequency'")
        if not 500 <= width <= 2500:
            raise FakeLgpio.error("'bad servo pulsewidth'")
        entry = [width, cycles or -1]
        if running is None:
            period = round(1_000_000 / frequency)
            self.pulses[pin] = Pulses(period, [entry], (self.now_us // period + 1) * period)
        elif len(running.entries) < self.QUEUE:
            running.entries.append(entry)
        else:
            raise FakeLgpio.error("'TX queue full'")
        return 0

    def tx_busy(self, handle: int, pin: int, kind: int) -> int:
        self.run_pulses()
        return int(kind == self.TX_PWM and pin in self.pulses)

    @property
    def now_us(self) -> int:
        return self.clock.now() // 1000

    def run_pulses(self) -> None:
        """Do what lgpio's own thread has done by now."""
        for pin, running in list(self.pulses.items()):
            goes_on, level = running.run(self.now_us)
            if level is not None:
                self.levels[pin] = level
            if not goes_on:
                del self.pulses[pin]


@contextmanager
def standing_in(fake: FakeLgpio) -> Iterator[None]:
    """Let it stand in for the real module on machines without GPIO, under gpiozero's own lgpio backend."""
    backend = "gpiozero.pins.lgpio", "edge.devices.gpio.lgpio_pins"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "lgpio", fake)
        for name in backend:
            patch.delitem(sys.modules, name, raising=False)
        pins: Any = importlib.import_module("gpiozero.pins.lgpio")
        local: Any = importlib.import_module("gpiozero.pins.local")
        patch.setattr(pins.LGPIOFactory, "_get_revision", lambda self: 0xC03111)
        local.LocalPiFactory.pins.clear()
        yield
        local.LocalPiFactory.pins.clear()
        for name in backend:
            sys.modules.pop(name, None)


@pytest.fixture
def lgpio() -> Iterator[FakeLgpio]:
    fake = FakeLgpio()
    with standing_in(fake):
        yield fake


def test_a_pin_is_claimed_once_at_its_level_with_the_pull_towards_it(lgpio: FakeLgpio) -> None:
    open_actuator(RELAY, open_pins(), VirtualClock())
    assert lgpio.calls == [("open", 0), ("output", 17, 1, lgpio.SET_PULL_UP)]


def test_closing_everything_neither_frees_a_pin_nor_makes_it_an_input(lgpio: FakeLgpio) -> None:
    pins = open_pins()
    relay = open_actuator(RELAY, pins, VirtualClock())
    relay.fire("")
    relay.close()
    pins.close()
    assert lgpio.calls[2:] == [("write", 17, 0), ("write", 17, 1)]
    assert lgpio.levels[17] == 1


@pytest.fixture
def flap(lgpio: FakeLgpio) -> Any:
    """A servo on pins whose waits and pulses share one clock."""
    pins: Any = open_pins()
    pins.clock = lgpio.clock
    return open_actuator(FLAP, pins, lgpio.clock)


def come_to_rest(servo: Any, lgpio: FakeLgpio, after_ns: int = 0) -> None:
    lgpio.clock.advance_to(servo.next_at() + after_ns)
    servo.run_due(lgpio.clock.now())


def test_a_servo_gets_its_pulses_to_the_microsecond_and_at_rest_one_last_whole_one(lgpio: FakeLgpio, flap: Any) -> None:
    flap.fire("right")
    flap.release()
    come_to_rest(flap, lgpio)
    sent = [(width, cycles) for call, _, width, _, cycles in (c for c in lgpio.calls if c[0] == "servo")]
    assert sent == [(1500, 0), (1901, 0), (1500, 0), (1500, 1)]
    flap.close()
    assert lgpio.calls[-1] == ("write", 18, 0)


def test_a_servo_at_rest_is_closed_without_a_word_to_what_does_not_run(lgpio: FakeLgpio, flap: Any) -> None:
    come_to_rest(flap, lgpio)
    lgpio.clock.advance_to(lgpio.clock.now() + ms(500))
    flap.close()
    flap.close()
    assert (lgpio.calls[-1], lgpio.levels[18], lgpio.pulses) == (("write", 18, 0), 0, {})


@given(late_us=st.integers(0, 60_000), seen_us=st.integers(0, 60_000))
def test_whenever_a_servo_comes_to_rest_its_line_ends_low_after_whole_pulses(late_us: int, seen_us: int) -> None:
    clock = VirtualClock()
    fake = FakeLgpio()
    fake.clock = clock
    with standing_in(fake):
        pins: Any = open_pins()
        pins.clock = clock
        servo: Any = open_actuator(FLAP, pins, clock)
        come_to_rest(servo, fake, late_us * 1000)
        clock.advance_to(clock.now() + ms(40) + seen_us * 1000)
        fake.run_pulses()
        assert (fake.levels[18], fake.pulses) == (0, {})


@given(late_us=st.integers(0, 1_000_000))
def test_whenever_a_servo_is_closed_its_line_is_low_and_no_pulse_is_left_under_way(late_us: int) -> None:
    clock = VirtualClock()
    fake = FakeLgpio()
    fake.clock = clock
    with standing_in(fake):
        pins: Any = open_pins()
        pins.clock = clock
        servo: Any = open_actuator(FLAP, pins, clock)
        servo.fire("left")
        clock.advance_to(clock.now() + late_us * 1000)
        servo.close()
        assert (fake.levels[18], fake.pulses) == (0, {})
        assert ("servo", 18, 0, 50, 0) not in fake.calls  # which would have cut a pulse


def test_pulses_that_never_end_are_cut_off_after_a_moment(lgpio: FakeLgpio, flap: Any) -> None:
    lgpio.pulses[18].entries.append([1500, 1_000_000])  # somebody else's, before the last one
    before = lgpio.clock.now()
    flap.close()
    assert lgpio.calls[-2:] == [("servo", 18, 0, 50, 0), ("write", 18, 0)]
    assert lgpio.clock.now() - before <= ms(600 + 110)


def test_a_pin_that_another_program_holds_is_named_with_what_to_do(lgpio: FakeLgpio) -> None:
    lgpio.busy = {17}
    with pytest.raises(ActuatorError, match=r"relay: GPIO 17 .*busy.*systemctl stop sorter"):
        open_actuator(RELAY, open_pins(), VirtualClock())


def test_an_input_is_pulled(lgpio: FakeLgpio) -> None:
    open_pins().pin(23).input_with_pull("up")
    assert ("input", 23, lgpio.SET_PULL_UP) in lgpio.calls


def test_without_lgpio_the_command_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lgpio", None)
    monkeypatch.delitem(sys.modules, "edge.devices.gpio.lgpio_pins", raising=False)
    monkeypatch.delitem(sys.modules, "gpiozero.pins.lgpio", raising=False)
    with pytest.raises(SetupError, match="apt install python3-lgpio"):
        open_pins()


# -- hardware PWM -------------------------------------------------------------------------------------------------


def make_pwm_unit(root: Path, device: str, channels: int) -> Path:
    """A PWM unit as the kernel shows it, with all channels exported already."""
    chip = root / "pwmchip0"
    chip.mkdir(parents=True)
    (root / device).mkdir()
    (chip / "device").symlink_to(root / device)
    (chip / "npwm").write_text(f"{channels}\n")
    for channel in range(channels):
        (chip / f"pwm{channel}").mkdir()
    return chip


@pytest.mark.parametrize(
    ("device", "channels", "pin", "channel"),
    [
        ("fe20c000.pwm", 2, 18, 0),
        ("3f20c000.pwm", 2, 13, 1),
        ("1f00098000.pwm", 4, 18, 2),
        ("1f00098000.pwm", 4, 13, 1),
    ],
)
def test_the_pwm_unit_of_each_pi_is_found_with_its_channel(
    device: str, channels: int, pin: int, channel: int, tmp_path: Path
) -> None:
    chip = make_pwm_unit(tmp_path, device, channels)
    line = SysfsPwmPin(pin, tmp_path, VirtualClock())
    line.frequency = 50
    line.state = 1500 / 20_000
    folder = chip / f"pwm{channel}"
    values = {name: (folder / name).read_text() for name in ("period", "duty_cycle", "enable")}
    assert values == {"period": "20000000", "duty_cycle": "1500000", "enable": "1"}
    line.frequency = None
    assert ((folder / "duty_cycle").read_text(), (folder / "enable").read_text()) == ("0", "0")


def test_a_pi_5_does_not_turn_its_fan_for_a_servo(tmp_path: Path) -> None:
    make_pwm_unit(tmp_path, "1f0009c000.pwm", 4)
    with pytest.raises(ActuatorError, match=r"dtoverlay=pwm,pin=12,func=4"):
        SysfsPwmPin(12, tmp_path, VirtualClock())


def test_files_that_udev_has_not_made_yet_are_waited_for_but_not_for_ever(tmp_path: Path) -> None:
    chip = make_pwm_unit(tmp_path, "fe20c000.pwm", 2)
    (chip / "pwm0").rmdir()
    clock = VirtualClock()
    line = SysfsPwmPin(18, tmp_path, clock)
    assert (chip / "export").read_text() == "0"
    before = clock.now()
    with pytest.raises(FileNotFoundError):
        line.frequency = 50
    assert ms(1000) <= clock.now() - before <= ms(1100)


# -- sorter safe --------------------------------------------------------------------------------------------------


def test_every_output_of_the_example_station_is_driven_safe() -> None:
    reading = read_safe_outputs(STATIONS / "conveyor.toml")
    assert reading.problems == []
    pins, clock = MockPins(), VirtualClock()
    before = clock.now()
    assert drive_safe(reading.outputs, pins, clock) == []
    levels = {number: pins.pin(number).state for number in (26, 17, 22, 27, 18)}
    assert levels == {26: 0, 17: 0, 22: 0, 27: 1, 18: 0}  # 27 is the relay that switches on low
    assert all(pins.pin(number).function == "output" for number in levels)
    assert 1100 / 20_000 in [state.state for state in pins.pin(18).states]
    assert clock.now() - before <= ms(1000)


def test_a_stepper_is_switched_off_where_it_stands() -> None:
    reading = read_safe_outputs(STATIONS / "bin-carousel.toml")
    pins = MockPins()
    drive_safe(reading.outputs, pins, VirtualClock())
    assert {n: pins.pin(n).state for n in (17, 27, 22)} == {17: 0, 27: 0, 22: 1}
    assert len(pins.pin(17).states) == 1  # not one step


def test_a_simulated_station_has_nothing_to_drive() -> None:
    assert read_safe_outputs(STATIONS / "demo.toml").simulated


BROKEN = """
name = "half
[camera]
type = "v4l2"
[belt]
run_pin = 26
[[actuators]]
name = "good"
type = "digital"
pin = 17
active_high = false
[[actuators]]
name = "odd"   # no type
pin = 22
[[actuators]]
name = "servo"
type = "servo"
pin = 18
safe_us = 99999
positions_us = { open = ,
[[actuators]]
name = "far"
type = "digital"
pin = 99
"""


def test_of_a_broken_file_all_that_can_be_read_is_made_safe_and_the_rest_named(tmp_path: Path) -> None:
    path = tmp_path / "station.toml"
    path.write_text(BROKEN)
    reading = read_safe_outputs(path)
    assert reading.outputs == [
        SafeOutput("belt.run_pin", {26: False}),
        SafeOutput("good", {17: True}),
        SafeOutput("servo", {18: False}),
    ]
    assert [problem.split(":")[0] for problem in reading.problems[1:]] == ["odd", "servo", "far"]


def test_one_refused_pin_does_not_keep_the_others_from_being_driven() -> None:
    outputs = [SafeOutput("a", {99: False}), SafeOutput("b", {17: True})]
    pins = MockPins()
    (problem,) = drive_safe(outputs, pins, VirtualClock())
    assert problem.startswith("a: GPIO 99")
    assert (pins.pin(17).function, pins.pin(17).state) == ("output", 1)


def test_a_calibrated_servo_goes_to_its_measured_safe_position(tmp_path: Path) -> None:
    path = tmp_path / "station.toml"
    path.write_text(
        'state_folder = "state"\n[[actuators]]\nname = "flap"\ntype = "servo"\npin = 18\nsafe_us = 1500\n', "utf-8"
    )
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "calibration.toml").write_text("[diverters.flap]\nsafe_us = 1432\n", "utf-8")
    assert read_safe_outputs(path).outputs == [SafeOutput("flap", {}, 18, 1432)]
    (tmp_path / "state" / "calibration.toml").write_text("[diverters\n", "utf-8")
    assert read_safe_outputs(path).outputs == [SafeOutput("flap", {}, 18, 1500)]


def test_what_was_measured_at_another_station_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "station.toml"
    path.write_text(
        'name = "a"\nstate_folder = "."\n[[actuators]]\nname = "x"\ntype = "servo"\npin = 18\nsafe_us = 1500\n'
    )
    (tmp_path / "calibration.toml").write_text('station = "b"\n[diverters.x]\nsafe_us = 1700\n', "utf-8")
    assert read_safe_outputs(path).outputs == [SafeOutput("x", {}, 18, 1500)]


@pytest.mark.parametrize(
    ("measured", "driven"),
    [
        ("safe_us = 2500", 1800),
        ("safe_us = 500", 1200),
        ("safe_us = 1600\nmax_us = 1550", 1550),
        ("safe_us = 1600\nmin_us = 500\nmax_us = 2500", 1600),
        ("safe_us = 2500\nmin_us = 2000", 1800),  # limits that contradict each other: those that are written
        ("safe_us = 19999", 1500),
        ("safe_us = 1e308", 1500),
    ],
)
def test_a_measured_position_beyond_the_limits_is_clipped_before_it_is_driven(
    measured: str, driven: int, tmp_path: Path
) -> None:
    path = tmp_path / "station.toml"
    path.write_text(
        'state_folder = "."\n[[actuators]]\nname = "flap"\ntype = "servo"\npin = 18\nsafe_us = 1500\nmin_us = 1200\nmax_us = 1800\n'
    )
    (tmp_path / "calibration.toml").write_text(f"[diverters.flap]\n{measured}\n", "utf-8")
    assert read_safe_outputs(path).outputs == [SafeOutput("flap", {}, 18, driven)]


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"[[actuators]]", b"actuators = 3\nbelt = 1", b"\x00" * 99])
def test_rubbish_has_no_outputs_and_raises_nothing(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "station.toml"
    path.write_bytes(content)
    assert read_safe_outputs(path).outputs == []
