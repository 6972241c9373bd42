"""When the next step of a stepper is due: a trapezoidal speed profile, one step at a time.

From v^2 = 2 a s: a motor that needs n steps to stop turns at sqrt(2 a n). So n alone is the state: it grows by
one with each step while speeding up and shrinks by one while slowing down.
"""

from __future__ import annotations

import math

from edge.clock import NS_PER_S


class Ramp:
    """Follows a target in whole steps; it may change at any time, the motor then slows down before it turns back."""

    def __init__(self, steps_per_s: float, acceleration_steps_per_s2: float) -> None:
        self._acceleration = acceleration_steps_per_s2
        self._top = max(1, math.floor(steps_per_s**2 / (2 * acceleration_steps_per_s2)))
        self._fastest_ns = math.ceil(NS_PER_S / steps_per_s)
        self._to_stop = 0
        self._direction = 1

    @property
    def moving(self) -> bool:
        return self._to_stop > 0

    def step(self, remaining: int) -> int:
        """Return the direction (-1 or 1) of the next step towards a target `remaining` steps away; 0: it has arrived."""
        if not self.moving:
            if remaining == 0:
                return 0
            self._direction = 1 if remaining > 0 else -1
        ahead = remaining * self._direction
        if ahead >= self._to_stop + 2:
            self._to_stop = min(self._to_stop + 1, self._top)
        elif ahead <= self._to_stop:
            self._to_stop = max(self._to_stop - 1, 0)
        return self._direction

    def interval_ns(self) -> int:
        """Return the time from the step just made to the next one."""
        speed = math.sqrt(2 * self._acceleration * max(self._to_stop, 1))
        return max(self._fastest_ns, round(NS_PER_S / speed))
