"""The station's own inputs and outputs: emergency stop, reset, jam, full bins; the belt's relay and the beacon."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from edge.actuate.pins import Pin, Pins, open_output, refusing
from edge.clock import ms
from edge.config import RESIDUAL, Station
from edge.faults import FaultKind
from edge.health import Health, State
from edge.interfaces import Clock

# An item that passes a sensor is neither a jam nor a full bin: both have to last.
JAM_NS = ms(1000)
FULL_NS = ms(2000)
# A contact that bounces while the button comes out is not the button that is out.
CLOSED_NS = ms(200)


@dataclass(slots=True)
class _Contact:
    """An input that pulls low; it counts as low once it has been so without a break for `lasting`."""

    pin: Pin
    lasting: int = 0
    since: int | None = None

    @property
    def is_low(self) -> bool:
        return self.pin.state < 0.5

    def lasts(self, now: int) -> bool:
        """Look at it; call it often."""
        if not self.is_low:
            self.since = None
            return False
        self.since = now if self.since is None else self.since
        return now - self.since >= self.lasting


@dataclass
class Panel:
    """What is wired to the station besides camera and actuators.

    `on_stop` is called by the pin backend's own thread the moment the emergency stop's chain opens. It
    must make everything safe at once and wait for nobody.
    """

    station: Station
    pins: Pins
    clock: Clock
    health: Health
    on_stop: Callable[[], None] = lambda: None
    _contacts: dict[tuple[FaultKind, str], _Contact] = field(default_factory=dict, init=False)
    _estop: Pin | None = field(default=None, init=False)
    _closed_since: int | None = field(default=None, init=False)
    _reset: Pin | None = field(default=None, init=False)
    _reset_pressed: bool = field(default=False, init=False)
    _belt: Pin | None = field(default=None, init=False)
    _beacon: Pin | None = field(default=None, init=False)

    def open(self) -> None:
        """Take the pins: the belt stands still, the beacon is off.

        Raises:
            ActuatorError: one of them can't be used.
        """
        station, safety = self.station, self.station.safety
        if station.belt is not None and station.belt.run_pin is not None:
            self._belt = open_output(self.pins, station.belt.run_pin, False, "belt.run_pin")
        if safety.beacon_pin is not None:
            self._beacon = open_output(self.pins, safety.beacon_pin, False, "safety.beacon_pin")
        if safety.jam_pin is not None:
            jam = self._input(safety.jam_pin, "up", "safety.jam_pin")
            self._contacts[FaultKind.JAM, ""] = _Contact(jam, JAM_NS)
        for where in station.bins:
            if where.full_pin is not None:
                kind = FaultKind.RESIDUAL_FULL if where.name == RESIDUAL else FaultKind.BIN_FULL
                full = self._input(where.full_pin, "up", f"bin {where.name} full_pin")
                self._contacts[kind, where.name] = _Contact(full, FULL_NS)
        if safety.reset_pin is not None:
            self._reset = self._input(safety.reset_pin, "up", "safety.reset_pin")
            self._reset.when_changed = self._on_reset
        if safety.estop_pin is not None:
            # Pulled down: a broken wire reads like a pressed button.
            self._estop = self._input(safety.estop_pin, "down", "safety.estop_pin")
            self._estop.when_changed = self._on_estop
            if self._estop.state < 0.5:
                self.on_stop()

    def stop_outputs(self) -> None:
        """Stop the belt now; for whoever makes the station safe."""
        if self._belt is not None:
            self._belt.state = False

    def watch(self, now: int) -> None:
        """Look at every input; call it several times a second."""
        for (kind, detail), contact in self._contacts.items():
            if contact.lasts(now):
                self.health.raise_fault(kind, now, detail)
            else:
                self.health.clear_fault(kind, now, detail)
        self._watch_chain(now)
        if self._reset_pressed:
            self._reset_pressed = False
            self.health.reset(now)

    def show(self, state: State, held: bool) -> None:
        """Let the belt run unless everything is held, and the beacon shine while someone is needed."""
        if self._belt is not None:
            self._belt.state = not held
        if self._beacon is not None:
            self._beacon.state = state in (State.FAULT, State.ESTOP)

    def close(self) -> None:
        """Stop the belt and the beacon; the pins stay driven."""
        for pin in (self._estop, self._reset):
            if pin is not None:
                pin.when_changed = None
        for pin in (self._belt, self._beacon):
            if pin is not None:
                pin.state = False

    def _watch_chain(self, now: int) -> None:
        if self._estop is None:
            return
        if self._estop.state < 0.5:
            self._closed_since = None
            if self.health.state is not State.ESTOP:  # its edge was missed
                self.on_stop()
            return
        self._closed_since = now if self._closed_since is None else self._closed_since
        if now - self._closed_since >= CLOSED_NS:
            self.health.chain_closed(now)

    def _on_estop(self, _ticks: float, level: bool) -> None:
        if not level:
            self._closed_since = None
            self.on_stop()

    def _on_reset(self, _ticks: float, level: bool) -> None:
        if not level:
            self._reset_pressed = True

    def _input(self, number: int, pull: str, who: str) -> Pin:
        with refusing(f"{who}: GPIO {number}"):
            pin = self.pins.pin(number)
            pin.input_with_pull(pull)
            return pin
