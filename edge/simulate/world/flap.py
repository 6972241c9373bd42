"""How a simulated diverter moves: it takes time to come and to go, whatever its pin says."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from edge.clock import ms
from edge.config.actuators import ActuatorSettings
from edge.devices.actuators import ACTUATOR_TYPES

IN_PATH = 0.95
"""From this extension on, a flap takes the whole item along; see `Flap.extremes`."""
CLEAR = 0.05
"""Up to this extension, an item passes untouched."""


class _Curve:
    """Extension towards one position, 0 to 1, piecewise linear in time."""

    def __init__(self, start: int) -> None:
        self._starts = [start]
        self._legs = [(0.0, 0.0, 0)]  # value at the start of the leg, target, full travel in nanoseconds

    def value(self, at: int) -> float:
        n = max(0, bisect_right(self._starts, at) - 1)
        value, target, travel = self._legs[n]
        if target == value:
            return value
        step = 1.0 if travel == 0 else max(0, at - self._starts[n]) / travel
        return min(target, value + step) if target > value else max(target, value - step)

    def move(self, at: int, target: float, travel: int) -> None:
        value = self.value(at)
        if at < self._starts[-1]:
            raise ValueError(f"expected an instant >= {self._starts[-1]}, got {at}")
        self._starts.append(at)
        self._legs.append((value, target, travel))

    def turning_points(self, begin: int, end: int) -> Iterable[int]:
        return self._starts[bisect_right(self._starts, begin) : bisect_right(self._starts, end)]


class Flap:
    """One actuator's moving part; every position has its own extension, and at most one is commanded.

    `lead` and `back` are the full travel times out and back in nanoseconds.
    """

    def __init__(self, start: int, positions: Iterable[str], lead: int, back: int) -> None:
        self._curves = {name: _Curve(start) for name in positions}
        self._lead = lead
        self._back = back
        self._commanded: str | None = None
        self._share = 1.0
        self._held = False
        self._powered = True

    @property
    def positions(self) -> tuple[str, ...]:
        return tuple(self._curves)

    def command(self, at: int, position: str | None, share: float = 1.0) -> None:
        """Take the level of the pin over: the position it asks for, None for the safe one, and how much of the way."""
        if position is not None and position not in self._curves:
            raise ValueError(f"expected one of {sorted(self._curves)}, got {position!r}")
        if (position, share) != (self._commanded, self._share):
            self._commanded, self._share = position, share
            self._drive(at)

    def set_stuck(self, at: int, stuck: bool) -> None:
        """Hold the part where it is, or let it follow its pin again."""
        self._held = stuck
        if stuck:
            for curve in self._curves.values():
                curve.move(at, curve.value(at), 0)
        else:
            self._drive(at)

    def set_powered(self, at: int, powered: bool) -> None:
        """Without power a spring brings it back to the safe position."""
        self._powered = powered
        self._drive(at)

    def extension(self, position: str, at: int) -> float:
        """Return how far it is towards the position: 0 is safe, 1 is all the way."""
        return self._curves[position].value(at)

    def extremes(self, position: str, begin: int, end: int) -> tuple[float, float]:
        """Return the least and the greatest extension from `begin` to `end`, both included."""
        curve = self._curves[position]
        values = [curve.value(at) for at in (begin, *curve.turning_points(begin, end), end)]
        return min(values), max(values)

    def _drive(self, at: int) -> None:
        if self._held:
            return
        wanted = self._commanded if self._powered else None
        for name, curve in self._curves.items():
            if name == wanted:
                curve.move(at, self._share, self._lead)
            else:
                curve.move(at, 0.0, self._back)


def build_flap(settings: ActuatorSettings, start: int) -> Flap:
    """Return the moving part of one actuator; what steps itself takes the time that its steps take."""
    own_ms = (0.0, 0.0) if ACTUATOR_TYPES[settings.type].steps_itself else (settings.lead_ms, settings.return_ms)
    return Flap(start, settings.position_names, *map(ms, own_ms))
