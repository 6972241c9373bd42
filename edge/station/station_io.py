"""The station's own inputs and outputs: emergency stop, reset, jam, full bins; the belt's relay and the beacon."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from edge.clock import ms
from edge.config import RESIDUAL, Station
from edge.config.inputs import ESTOP, InputName, InputRole
from edge.devices.gpio.inputs import Edge, Inputs
from edge.devices.gpio.pins import Pin, Pins, open_output
from edge.health.faults import FaultKind
from edge.health.health import Health, State
from edge.health.monitors.bin_levels import BinLevels
from edge.interfaces import Clock

# An item that passes a sensor is neither a jam nor a full bin: both have to last.
JAM_NS = ms(1000)
FULL_NS = ms(2000)
# A contact that bounces while the button comes out is not the button that is out.
CLOSED_NS = ms(200)


@dataclass(slots=True)
class _Lasting:
    """An input that means a fault once it has been active without a break for some time."""

    name: InputName
    span: int
    since: int | None = None

    def is_due(self, active: bool, now: int) -> bool:
        if not active:
            self.since = None
            return False
        self.since = now if self.since is None else self.since
        return now - self.since >= self.span


@dataclass
class Panel:
    """What is wired to the station besides camera and actuators.

    Attributes:
        on_stop: called by the pins' own thread the moment the emergency stop's chain opens; must make
            everything safe at once and wait for nobody.
        levels: how full the bins are whose items are counted.
        on_edge: called with every other edge, such as of beam and exit sensors; must return at once.
        on_tick: called with every edge of the belt's encoder; see `Inputs`.
    """

    station: Station
    pins: Pins
    clock: Clock
    health: Health
    on_stop: Callable[[], None]
    levels: BinLevels
    on_edge: Callable[[Edge], None] = lambda edge: None
    on_tick: Callable[[int, int], None] = lambda at, step: None
    inputs: Inputs | None = field(default=None, init=False)
    _lasting: dict[tuple[FaultKind, str], _Lasting] = field(default_factory=dict, init=False)
    _closed_since: int | None = field(default=None, init=False)
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
        self.inputs = Inputs(station, self.pins, self.clock, self._on_change, self.on_tick)
        for name in self.inputs.names:
            if name.role is InputRole.JAM:
                self._lasting[FaultKind.JAM, ""] = _Lasting(name, JAM_NS)
            elif name.role is InputRole.FULL:
                self._lasting[_full_kind(name.bin), name.bin] = _Lasting(name, FULL_NS)
        if self._chain_is_open(self.inputs):
            self.on_stop()

    def stop_outputs(self) -> None:
        """Stop the belt now; for whoever makes the station safe."""
        if self._belt is not None:
            self._belt.state = False

    def watch(self, now: int) -> None:
        """Look at every input; call it several times a second."""
        if self.inputs is None:
            return
        self.inputs.run_due(now)
        for (kind, detail), lasting in self._lasting.items():
            if lasting.is_due(self.inputs.is_active(lasting.name), now):
                self.health.raise_fault(kind, now, detail)
            else:
                self.health.clear_fault(kind, now, detail)
        for where in self.levels.full:
            self.health.raise_fault(_full_kind(where), now, where)
        self._watch_chain(self.inputs, now)
        if self._reset_pressed:
            self._reset_pressed = False
            self.reset(now)

    def reset(self, now: int) -> None:
        """Take a person's reset: it ends an emergency stop, or says that the bins that were counted full are empty."""
        stopped = self.health.state is State.ESTOP
        if self.health.reset(now) and not stopped:
            for where in self.levels.empty_full():
                self.health.clear_fault(_full_kind(where), now, where)

    def show(self, state: State, held: bool) -> None:
        """Let the belt run unless everything is held, and the beacon shine while someone is needed."""
        if self._belt is not None:
            self._belt.state = not held
        if self._beacon is not None:
            self._beacon.state = state in (State.FAULT, State.ESTOP)

    def close(self) -> None:
        """Stop the belt and the beacon; the pins stay driven. May be called twice."""
        if self.inputs is not None:
            self.inputs.close()
        for pin in (self._belt, self._beacon):
            if pin is not None:
                pin.state = False

    def _chain_is_open(self, inputs: Inputs) -> bool:
        return ESTOP in inputs.names and inputs.is_active(ESTOP)

    def _watch_chain(self, inputs: Inputs, now: int) -> None:
        if ESTOP not in inputs.names:
            return
        if self._chain_is_open(inputs):
            self._closed_since = None
            if self.health.state is not State.ESTOP:  # its edge was missed
                self.on_stop()
            return
        self._closed_since = now if self._closed_since is None else self._closed_since
        if now - self._closed_since >= CLOSED_NS:
            self.health.chain_closed(now)

    def _on_change(self, edge: Edge) -> None:
        if edge.name == ESTOP:
            self._closed_since = None
            if edge.active:
                self.on_stop()
        elif edge.name.role is InputRole.RESET:
            self._reset_pressed = self._reset_pressed or edge.active
        elif edge.name.role not in (InputRole.JAM, InputRole.FULL):
            self.on_edge(edge)


def _full_kind(where: str) -> FaultKind:
    return FaultKind.RESIDUAL_FULL if where == RESIDUAL else FaultKind.BIN_FULL
