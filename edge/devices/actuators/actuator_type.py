"""What makes an actuator type: how one is opened, what is safe for its pins, what its pins do to it in a simulated station.

`sorter safe` reads the types of a station whose settings may be broken, so nothing here needs checked settings or numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeGuard, TypeVar

if TYPE_CHECKING:
    from edge.devices.gpio.pins import Pins
    from edge.interfaces import Actuator, Clock

US_PER_S = 1_000_000
PULSE_US = (500, 2500)

S = TypeVar("S")


@dataclass(frozen=True)
class SafeOutput:
    """What one actuator's pins are driven to: fixed levels, and for a servo the pulse of its safe position."""

    name: str
    levels: Mapping[int, bool]
    servo_pin: int | None = None
    safe_us: int = 0
    hardware_pwm: bool = False

    @property
    def pins(self) -> tuple[int, ...]:
        """Every pin that it drives."""
        return (*self.levels, *(() if self.servo_pin is None else (self.servo_pin,)))


@dataclass
class WrittenEntry:
    """One [[actuators]] table as it stands in a file that may be broken; `measured` is what calibration keeps of it.

    What can't be used is None, and told in `problems`.
    """

    name: str
    table: Mapping[str, Any]
    measured: Mapping[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def pin(self, key: str) -> int | None:
        value = self.table.get(key)
        if is_pin(value):
            return value
        self.problems.append(f"{key} = {value!r}; expected a GPIO number, 0 to 27")
        return None

    def levels(self, wanted: Mapping[str, bool], optional: Iterable[str] = ()) -> dict[int, bool]:
        """Return the level for each pin that can be read, from the level for each key; an optional one may be left out."""
        keys = [key for key in wanted if key in self.table or key not in optional]
        return {pin: wanted[key] for key in keys if (pin := self.pin(key)) is not None}


def is_pin(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 27


def is_pulse(value: object) -> TypeGuard[int]:
    low, high = PULSE_US
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


@dataclass(frozen=True, slots=True)
class PinState:
    """What a meter at the pin shows: `level` from 0 to 1 is its mean, None while nobody drives it.

    `frequency` is that of pulse-width modulation in hertz, None for a plain level.
    """

    level: float | None
    frequency: float | None = None

    @property
    def is_high(self) -> bool:
        return self.level is not None and self.level > 0.5

    @property
    def pulse_us(self) -> float:
        """Length of one pulse in microseconds; 0 where there are none."""
        return 0.0 if not self.frequency or not self.level else self.level / self.frequency * US_PER_S


class MovingPart(Protocol):
    """What a simulated drive moves: a flap, a plate, a carousel."""

    def command(self, at: int, position: str | None, share: float = 1.0) -> None:
        """Go to a position from that instant on, None for the safe one, or a share of the way."""
        ...


class Drive(Protocol):
    """The motor between pins and moving part, in a simulated station."""

    def on_pin(self, pin: int, state: PinState, at: int) -> None:
        """Take a new state of one of its pins over."""
        ...


Sense = Callable[[int | None, bool], None]


@dataclass(frozen=True)
class ActuatorType(Generic[S]):
    """One row of `ACTUATOR_TYPES`; `S` is the class of its settings.

    Attributes:
        open: makes the actuator, in its safe position, from settings, pins and clock.
        safe: what its pins are driven to after a crash; None where nothing can be read.
        drive: what its pins move, from settings, the part, and what sets an input pin of its own (low while active).
        steps_itself: in a simulated station it is where its steps brought it, at once, and its input answers each.
        turns_plate: it moves the plate that a bin's camera sees, not something beneath it.
    """

    open: Callable[[S, Pins, Clock], Actuator]
    safe: Callable[[WrittenEntry], SafeOutput | None]
    drive: Callable[[S, MovingPart, Sense], Drive]
    steps_itself: bool = False
    turns_plate: bool = False
