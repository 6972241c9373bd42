"""Wrong tokens: whoever sends one after another is told to wait, longer each time, and costs the station little.

It is the token's 96 bits that keep guessers out. The right token always passes, waits or not: nobody keeps another out.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from edge.clock import NS_PER_S
from edge.interfaces import Clock
from edge.web.serving.visitors import LOCALHOST

FREE = 5
MOST_WAIT_S = 300.0
# A person at the station who mistyped it is soon told so again, whatever a program there does.
MOST_WAIT_LOCALHOST_S = 5.0
# Many addresses that guess together have the disk looked at no more often than one.
FREE_OF_ALL = 50
MOST_WAIT_OF_ALL_S = 10.0
FORGOTTEN_S = 3600.0
MOST_ADDRESSES = 1000
ALL = "all"


@dataclass(slots=True)
class _Failures:
    count: int
    at: int
    wait_until: int


@dataclass
class Attempts:
    """The wrong tokens of late, by visitor (see `origin_of`) and of all but this machine together."""

    clock: Clock
    _failures: OrderedDict[str, _Failures] = field(default_factory=OrderedDict)

    def wait_s(self, origin: str) -> float:
        """Return for how long this visitor's wrong tokens are turned away unlooked at, seconds; 0: not at all."""
        now = self.clock.now()
        names = (origin,) if origin == LOCALHOST else (origin, ALL)
        waits = [self._failures[name].wait_until - now for name in names if name in self._failures]
        return max((0, *waits)) / NS_PER_S

    def failed(self, origin: str) -> None:
        """Note a wrong token."""
        if origin == LOCALHOST:
            self._note(origin, FREE, MOST_WAIT_LOCALHOST_S)
            return
        self._note(origin, FREE, MOST_WAIT_S)
        self._note(ALL, FREE_OF_ALL, MOST_WAIT_OF_ALL_S)

    def succeeded(self, origin: str) -> None:
        """Forget what this visitor did before; what all did stays."""
        self._failures.pop(origin, None)

    def _note(self, name: str, free: int, most_wait_s: float) -> None:
        now = self.clock.now()
        before = self._failures.pop(name, None)
        is_old = before is None or now - before.at > FORGOTTEN_S * NS_PER_S
        count = 1 if before is None or is_old else before.count + 1
        wait_s = min(2.0 ** min(count - free, 30), most_wait_s) if count >= free else 0.0
        self._failures[name] = _Failures(count, now, now + int(wait_s * NS_PER_S))
        if len(self._failures) > MOST_ADDRESSES:  # the longest ago, but never the sum
            self._failures.pop(next(other for other in self._failures if other != ALL))
