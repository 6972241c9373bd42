"""How fast requests are answered, whoever asks: so that a flood takes a part of a core and not all of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field


@dataclass
class Pace:
    """Lets requests begin in the order in which they come: `at_once` of them, then `per_s` a second."""

    per_s: float
    at_once: int
    _next_at: float = field(default=0.0, init=False)

    async def wait(self) -> None:
        """Return when the next request may begin."""
        now = asyncio.get_running_loop().time()
        self._next_at = max(self._next_at, now - self.at_once / self.per_s) + 1 / self.per_s
        if self._next_at > now:
            await asyncio.sleep(self._next_at - now)
