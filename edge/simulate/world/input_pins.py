"""The input pins of a simulated station: what its sensors, encoder and buttons make of what happens."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from edge.clock import ms
from edge.config import Station
from edge.simulate.world.event_queue import EventQueue
from edge.simulate.world.motion import BeltMotion

_EXIT_PULSE_NS: Final = ms(60)


class InputPins:
    """Levels of the input pins, and the changes that are still to be told.

    Attributes:
        levels: by GPIO number.
        telling_at: while a change is being told, its instant, which may be some time ago.
    """

    def __init__(self, station: Station, events: EventQueue, started_at: int) -> None:
        self.levels: dict[int, bool] = _resting(station)
        self.telling_at: int | None = None
        self._station = station
        self._events = events
        self._started_at = started_at
        self._high_while_active = {
            pin for name, pin in station.input_pins().items() if not station.input(name).active_low
        }
        self._leading_to: list[Callable[[int, bool], None]] = []
        self._edges: deque[tuple[int, bool, int]] = deque()
        self._telling = threading.RLock()

    def set(self, pin: int | None, level: bool) -> None:
        """Set an input as if it were low while active."""
        level = level != (pin in self._high_while_active)
        if pin is not None and self.levels.get(pin) != level:
            self.levels[pin] = level
            self._edges.append((pin, level, max(self._started_at, self._events.instant)))

    def connect(self, sense: Callable[[int, bool], None]) -> None:
        """Lead the wires to pins, which are told pin and level of every change from now on."""
        self._leading_to.append(sense)

    def notify(self) -> None:
        """Tell of every change so far, in order; one thread at a time, and what it leaves is told with the next call."""
        if not self._telling.acquire(blocking=False):
            return
        try:
            while self._edges:
                pin, level, self.telling_at = self._edges.popleft()
                for sense in self._leading_to:
                    sense(pin, level)
        finally:
            self.telling_at = None
            self._telling.release()

    def turn_encoder(self, drum: BeltMotion, number: int = 0) -> None:
        """Let the encoder, if there is one, give its edges as the drum turns: two channels a quarter of a turn apart."""
        encoder = self._station.belt.encoder if self._station.belt is not None else None
        if encoder is None:
            return

        def tick(_at: int) -> None:
            phase = number % 4
            self.set(encoder.pin_a, phase in (1, 2))
            self.set(encoder.pin_b, phase in (2, 3))
            self.turn_encoder(drum, number + 1)

        self._events.when(drum, number / encoder.ticks_per_mm, tick)

    def beam(self, *, broken: bool) -> None:
        """Let something break the light beam, or the last thing leave it."""
        self.set(self._station.sensing.beam_pin, not broken)

    def landed(self, where: str, at: int) -> None:
        """Let something pass the exit sensor of a bin, if it has one."""
        pin = next((b.exit_pin for b in self._station.bins if b.name == where), None)
        if pin is not None:
            self.set(pin, False)
            self._events.at(at + _EXIT_PULSE_NS, lambda _: self.set(pin, True))


def _resting(station: Station) -> dict[int, bool]:
    """Every input is high while nothing is there, unless the station says otherwise; the emergency stop's chain is closed."""
    pins = [station.safety.estop_pin, station.safety.reset_pin, station.safety.jam_pin, station.sensing.beam_pin]
    pins += [pin for where in station.bins for pin in (where.full_pin, where.exit_pin)]
    pins += [pin for a in station.actuators for pin in a.input_pins()]
    levels = {pin: True for pin in pins if pin is not None}
    levels |= {pin: station.input(name).active_low for name, pin in station.input_pins().items()}
    if station.belt is not None and station.belt.encoder is not None:
        levels |= {station.belt.encoder.pin_a: False, station.belt.encoder.pin_b: False}
    return levels
