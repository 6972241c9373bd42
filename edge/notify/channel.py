"""What every way of telling has in common: a thread of its own, a note of what is wrong with it, and a test message."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from threading import Event
from typing import Protocol

from edge.clock import NS_PER_S
from edge.health.retry import Backoff

CONNECT_S = 10.0
"""How long a server may take for each of its answers."""
LOOK_NS = NS_PER_S
"""How often a channel looks for something new."""


class Channel(Protocol):
    """One way of telling. It reads what is known of the station by itself, so that nobody waits for a server."""

    @property
    def name(self) -> str:
        """What people call it, as in "mail"."""
        ...

    @property
    def place(self) -> str:
        """Where messages go, for people; nothing secret is in it."""
        ...

    @property
    def trouble(self) -> str:
        """Why nothing can be delivered now, in plain words that stay the same while it lasts; empty while all is well."""
        ...

    def run(self, stop: Event) -> None:
        """Deliver until `stop` is set, whatever becomes of the server: the body of a thread."""
        ...

    def test(self) -> str:
        """Deliver a test message, and return where it went.

        Raises:
            NotifyError: why it could not be delivered.
        """
        ...


# Fifty stations that lost the same server come back one after the other.
_LEAST_SHARE = 0.5


@dataclass
class Tries:
    """When to try again: after each failure in a row later, and never at the same instant as others; nanoseconds."""

    backoff: Backoff = field(default_factory=lambda: Backoff(first=NS_PER_S, longest=300 * NS_PER_S))
    random: Random = field(default_factory=Random)
    failures: int = 0

    def next_wait(self) -> int:
        """Count a failure, and return how long to wait after it."""
        wait = self.backoff.wait(self.failures)
        self.failures += 1
        return round(wait * self.random.uniform(_LEAST_SHARE, 1.0))

    def succeeded(self) -> None:
        """Let the waits begin anew."""
        self.failures = 0
