"""Time that a simulated inference takes, while everything else goes on."""

from __future__ import annotations

from typing import Protocol

from edge.clock import VirtualClock
from edge.simulate.world.world import World


class Beside(Protocol):
    """What goes on while the vision thread is busy."""

    def next_at(self) -> int:
        """Return the next instant at which something is to be done."""
        ...

    def run_due(self, at: int) -> None:
        """Do what is due at that instant, and move the clock there."""
        ...


class VirtualTime:
    """Lets the vision thread spend time: whoever runs beside it is let run at its own instants."""

    def __init__(self, clock: VirtualClock, world: World) -> None:
        self._clock, self._world = clock, world
        self._beside: list[Beside] = []

    def run_beside(self, work: Beside) -> None:
        """From now on let this go on too."""
        self._beside.append(work)

    def spend(self, duration_ns: int) -> None:
        """Let time pass for the vision thread while everything else goes on."""
        end = self._clock.now() + duration_ns
        for work in self._beside:
            while (at := work.next_at()) <= end:
                work.run_due(at)
        self._clock.advance_to(end)
        self._world.run_due(end)
