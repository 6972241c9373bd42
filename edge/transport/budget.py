"""How fast the model is on this machine and how fast items come: what the budget of inference is made of."""

from __future__ import annotations

from dataclasses import dataclass

from edge.clock import ms

# Share of the gap between two items that inference may take; the rest is for finding, following and everything else.
DUTY = 0.8
LEARNING = 0.2
ASSUMED_NS = float(ms(40))


@dataclass
class InferenceBudget:
    """Running means in nanoseconds.

    `invoke_ns` starts at what a Pi 4 takes with an EfficientNet-Lite0-like model, and is learnt from each item.
    """

    invoke_ns: float = ASSUMED_NS
    interval_ns: float | None = None
    _last_crossed_at: int | None = None

    def invoked(self, duration_ns: int) -> None:
        """Learn how long one inference took; a slower one counts at once, a faster one little by little."""
        slower = duration_ns > self.invoke_ns
        self.invoke_ns += (duration_ns - self.invoke_ns) * (0.5 if slower else LEARNING)

    def reset_budget(self) -> None:
        """Begin anew: a model that was given no time could never show that it is fast again."""
        self.invoke_ns = ASSUMED_NS

    def item_crossed(self, at: int) -> None:
        """Learn how often items come."""
        if self._last_crossed_at is not None and at >= self._last_crossed_at:
            gap = at - self._last_crossed_at
            self.interval_ns = (
                gap if self.interval_ns is None else self.interval_ns + LEARNING * (gap - self.interval_ns)
            )
        self._last_crossed_at = at

    def max_crops(self, spare_ns: int, waiting: int) -> int:
        """Return how many inferences fit into the time that is left, shared with the items that wait."""
        room = float(spare_ns) / (waiting + 1)
        if self.interval_ns is not None:
            # At least one: looking at no picture at all saves nothing once the deadline can be met.
            room = min(room, max(DUTY * self.interval_ns, self.invoke_ns))
        return max(0, int(room / max(1.0, self.invoke_ns)))
