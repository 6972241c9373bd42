"""The station's own inputs: emergency stop and reset are acted upon, all others are passed on."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import SimpleQueue

from edge.clock import ms
from edge.config.inputs import ESTOP, InputRole
from edge.devices.gpio.inputs import Edge, Inputs, InputWiring
from edge.devices.gpio.pins import Pins
from edge.health.health import Health
from edge.health.monitors import Observer
from edge.health.state import State
from edge.interfaces import Clock
from edge.sensing import BeamTrigger
from edge.types import EventKind

log = logging.getLogger(__name__)

# A contact that bounces while the button comes out is not the button that is out.
CLOSED_NS = ms(200)
# Means something for as long as it is active, and not only when it becomes so.
LASTING = (InputRole.JAM, InputRole.FULL)


def ignore_tick(at: int, step: int) -> None:
    """A station without an encoder has no ticks."""


@dataclass
class StationIO:
    """Listens to what is wired to the station besides camera and actuators.

    Attributes:
        on_stop: called by the pins' own thread the moment the emergency stop's chain opens; must make
            everything safe at once and wait for nobody.
        observer: told of every other edge, such as of beam and exit sensors.
        on_tick: called with every edge of the belt's encoder; see `Inputs`.
        resets: who asked for a reset over the network. That does not end an emergency stop: it takes somebody who sees the
            machine.
    """

    wiring: InputWiring
    pins: Pins
    clock: Clock
    health: Health
    on_stop: Callable[[], None]
    observer: Observer
    on_tick: Callable[[int, int], None] = ignore_tick
    resets: SimpleQueue[str] = field(default_factory=SimpleQueue)
    inputs: Inputs | None = field(default=None, init=False)
    _closed_since: int | None = field(default=None, init=False)
    _reset_pressed: bool = field(default=False, init=False)

    def open(self) -> None:
        """Take the pins; what is open or covered already counts.

        Raises:
            ActuatorError: one of them can't be used.
        """
        inputs = self.inputs = Inputs(self.wiring, self.pins, self.clock, self._on_change, self.on_tick)
        for name in inputs.names:
            if name.role in LASTING and inputs.is_active(name):
                self.observer.on_edge(Edge(name, True, self.clock.now()))
        if self._chain_is_open(inputs):
            self.on_stop()

    def poll(self, now: int) -> None:
        """Report what has come to rest, and look at the chain; call it several times a second."""
        if self.inputs is None:
            return
        self.inputs.run_due(now)
        self._watch_chain(self.inputs, now)
        if self._reset_pressed:
            self._reset_pressed = False
            self.reset(now)
        while not self.resets.empty():
            by = self.resets.get_nowait()
            if self.health.state is State.ESTOP:
                log.warning("a reset from afar (%s) ends no emergency stop: press reset at the station", by)
            else:
                self.health.person_did(EventKind.RESET, f"Reset by {by}.", now)
                self.reset(now)

    def reset(self, now: int) -> None:
        """Take a person's reset: it ends an emergency stop, or says that what was wrong was seen to."""
        after_stop = self.health.state is State.ESTOP
        if self.health.reset(now):
            self.observer.on_reset(after_stop=after_stop)

    def close(self) -> None:
        """Stop listening; may be called twice."""
        if self.inputs is not None:
            self.inputs.close()

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
        else:
            self.observer.on_edge(edge)


class BeamEdges(Observer):
    """Hands the edges of a light beam across the belt to the trigger that places items by them."""

    def __init__(self, trigger: BeamTrigger) -> None:
        self._trigger = trigger

    def on_edge(self, edge: Edge) -> None:
        if edge.name.role is InputRole.BEAM:
            self._trigger.edge(edge.at, edge.active)
