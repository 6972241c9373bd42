"""An actuator without hardware: it remembers every movement with its instant."""

from __future__ import annotations

from dataclasses import dataclass, field

from edge.errors import ActuatorError
from edge.interfaces import Clock


@dataclass(frozen=True, slots=True)
class Movement:
    """One command that arrived at a fake actuator; `position` is None for a release."""

    at: int
    position: str | None


@dataclass
class FakeActuator:
    """Satisfies Actuator; `broken` makes `fire` or `release` raise, as a pin that is gone does."""

    name: str
    clock: Clock
    positions: tuple[str, ...] = ("",)
    broken: frozenset[str] = frozenset()
    movements: list[Movement] = field(default_factory=list)
    position: str | None = None
    closed: bool = False

    def fire(self, position: str) -> None:
        if position not in self.positions:
            raise ValueError(f"expected one of {self.positions}. Received: {position!r}")
        if self.closed or "fire" in self.broken:
            raise ActuatorError(f"{self.name}: the fake pin refuses to fire")
        self.position = position
        self.movements.append(Movement(self.clock.now(), position))

    def release(self) -> None:
        if "release" in self.broken:
            raise ActuatorError(f"{self.name}: the fake pin refuses to be released")
        if self.position is not None:
            self.movements.append(Movement(self.clock.now(), None))
        self.position = None

    def close(self) -> None:
        if not self.closed and self.position is not None:
            self.movements.append(Movement(self.clock.now(), None))
        self.position = None
        self.closed = True

    @property
    def pulses(self) -> list[tuple[int, int]]:
        """Return (fired, released) of every closed pulse, in order."""
        pulses: list[tuple[int, int]] = []
        fired: int | None = None
        for movement in self.movements:
            if movement.position is not None:
                fired = movement.at if fired is None else fired
            elif fired is not None:
                pulses.append((fired, movement.at))
                fired = None
        return pulses
