"""An input that means a fault only when it stays: an item that passes a sensor is neither a jam nor a full bin."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Lasting:
    """`active` is what the input says, from any thread; it is due once it has been so without a break for the span, nanoseconds."""

    span: int
    active: bool = False
    since: int | None = None

    def is_due(self, now: int) -> bool:
        """Say whether it means a fault by now; asked again and again."""
        if not self.active:
            self.since = None
            return False
        self.since = now if self.since is None else self.since
        return now - self.since >= self.span
