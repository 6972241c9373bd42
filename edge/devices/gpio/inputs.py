"""Inputs of the station: debounced edges with their instants, and the belt's encoder.

gpiozero's pins call back from their own thread, so nothing here starts one. All inputs but the emergency stop
are pulled up, and low while active unless the station says otherwise; the emergency stop is pulled down, so that
a cut wire means stopped.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edge.clock import NS_PER_S, ms
from edge.config import Station
from edge.config.inputs import ESTOP, Input, InputName
from edge.devices.gpio.pins import Pin, Pins, refusing
from edge.interfaces import Clock

# A kernel stamp that lies farther from now is on another clock (kernels before 5.7 used the date).
OLDEST_STAMP_NS = NS_PER_S


@dataclass(frozen=True, slots=True)
class Edge:
    """An input that became active or inactive for good; `at` is the instant of its first contact."""

    name: InputName
    active: bool
    at: int


class Debouncer:
    """Turns the chatter of a contact into one change.

    A change counts once the level has stayed for `settle_ns`, with the instant at which it began. With
    `eager`, becoming active counts at once: a stop must not wait for its contact to come to rest.
    """

    def __init__(self, active: bool, settle_ns: int, eager: bool = False) -> None:
        self.active = active
        self._settle_ns, self._eager = settle_ns, eager
        self._level = active
        self._since = -settle_ns
        self._left_at = 0

    def edge(self, active: bool, at: int) -> tuple[bool, int] | None:
        """Take a raw change in; return the debounced change (active, instant) that it completes."""
        done = self.settle(at)
        if active != self._level:
            if self._level == self.active and at - self._since >= self._settle_ns:
                self._left_at = at  # the first contact; what bounces back and leaves again is the same change
            self._level, self._since = active, at
        if self._eager and active and (done is not None or not self.active):
            self.active = True
            return True, at
        return done

    def settle(self, now: int) -> tuple[bool, int] | None:
        """Return the change that has stayed long enough by now."""
        if self._level == self.active or now - self._since < self._settle_ns:
            return None
        self.active = self._level
        return self.active, self._left_at

    def next_at(self) -> int | None:
        """Return when `settle` would report the change that is under way."""
        return None if self._level == self.active else self._since + self._settle_ns


class Quadrature:
    """Counts the edges of two channels a quarter apart: forwards up, backwards down.

    Contact bounce counts one up and one down again. A skipped state (both channels changed) counts nothing: which way it
    went is not known.
    """

    # By the state before and after, each A + 2 B: the sequence forwards is 0, 1, 3, 2.
    _STEP = ((0, 1, -1, 0), (-1, 0, 0, 1), (1, 0, 0, -1), (0, -1, 1, 0))

    def __init__(self, a: bool, b: bool) -> None:
        self._state = a + 2 * b

    def update(self, a: bool, b: bool) -> int:
        """Take the levels over; return -1, 0 or 1."""
        before, self._state = self._state, a + 2 * b
        return self._STEP[before][self._state]


@dataclass(frozen=True, slots=True)
class InputWiring:
    """What is wired to a station: the pin of each input and how it behaves, and the two pins of an encoder."""

    inputs: Mapping[InputName, tuple[int, Input]]
    encoder: tuple[int, int] | None = None

    @classmethod
    def of(cls, station: Station) -> InputWiring:
        """Return what a station file says of it."""
        encoder = None if station.belt is None else station.belt.encoder
        return cls(
            {name: (number, station.input(name)) for name, number in station.input_pins().items()},
            None if encoder is None else (encoder.pin_a, encoder.pin_b),
        )


class Inputs:
    """All inputs of one station.

    `on_change` is called from the pins' own thread with every debounced edge, an emergency stop without any
    delay; it must return at once. `on_tick` is called with (instant, -1 or 1) for every edge of the encoder.
    """

    def __init__(
        self,
        wiring: InputWiring,
        pins: Pins,
        clock: Clock,
        on_change: Callable[[Edge], None],
        on_tick: Callable[[int, int], None] = lambda at, step: None,
    ) -> None:
        """Claim the pins as inputs.

        Raises:
            ActuatorError: a pin is used by something else.
        """
        self._clock, self._on_change, self._on_tick = clock, on_change, on_tick
        self._lock = threading.RLock()
        self._debouncers: dict[InputName, Debouncer] = {}
        self._pins: list[Pin] = []
        self._callbacks: list[Callable[[float, bool], None]] = []  # gpiozero holds them weakly
        for name, (number, settings) in wiring.inputs.items():
            self._watch(name, number, settings, pins)
        if wiring.encoder is not None:
            self._watch_encoder(*wiring.encoder, pins)

    @property
    def names(self) -> tuple[InputName, ...]:
        """The inputs that are fitted."""
        return tuple(self._debouncers)

    def is_active(self, name: InputName) -> bool:
        """Return the debounced state; KeyError if there is no such input."""
        return self._debouncers[name].active

    def next_at(self) -> int | None:
        """Return when `run_due` has something to report; None: nothing is changing."""
        with self._lock:
            return min((at for d in self._debouncers.values() if (at := d.next_at()) is not None), default=None)

    def run_due(self, now: int) -> None:
        """Report the changes that have come to rest by now; the supervisor calls it every few milliseconds."""
        for name, debouncer in self._debouncers.items():
            with self._lock:
                change = debouncer.settle(now)
            if change is not None:
                self._on_change(Edge(name, *change))

    def close(self) -> None:
        """Stop listening; may be called twice."""
        for pin in self._pins:
            pin.when_changed = None
        self._pins.clear()
        self._callbacks.clear()

    def _watch(self, name: InputName, number: int, settings: Input, pins: Pins) -> None:
        stop = name == ESTOP
        pin = self._open(str(name), number, pins, "down" if stop else "up")
        high_at_rest = settings.active_low
        self._debouncers[name] = Debouncer(bool(pin.state) != high_at_rest, ms(settings.debounce_ms), eager=stop)

        def changed(ticks: float, level: bool) -> None:
            with self._lock:
                change = self._debouncers[name].edge(bool(level) != high_at_rest, self._instant(ticks))
            if change is not None:
                self._on_change(Edge(name, *change))

        self._listen(pin, changed)

    def _watch_encoder(self, number_a: int, number_b: int, pins: Pins) -> None:
        a = self._open("encoder A", number_a, pins, "up")
        b = self._open("encoder B", number_b, pins, "up")
        quadrature = Quadrature(bool(a.state), bool(b.state))
        levels = [bool(a.state), bool(b.state)]

        def listener(channel: int) -> Callable[[float, bool], None]:
            def changed(ticks: float, level: bool) -> None:
                with self._lock:
                    levels[channel] = bool(level)
                    step = quadrature.update(*levels)
                if step:
                    self._on_tick(self._instant(ticks), step)

            return changed

        self._listen(a, listener(0))
        self._listen(b, listener(1))

    def _open(self, name: str, number: int, pins: Pins, pull: str) -> Pin:
        with refusing(f"{name}: GPIO {number}"):
            pin = pins.pin(number)
            pin.input_with_pull(pull)
            return pin

    def _listen(self, pin: Pin, callback: Callable[[float, bool], None]) -> None:
        self._callbacks.append(callback)
        self._pins.append(pin)
        with refusing("an input"):
            pin.when_changed = callback

    def _instant(self, ticks: float) -> int:
        """The kernel's stamp of an edge (seconds) where it is on our clock, else now."""
        now, stamp = self._clock.now(), round(ticks * NS_PER_S)
        return stamp if 0 <= now - stamp <= OLDEST_STAMP_NS else now
