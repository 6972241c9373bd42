"""What takes a disk to find out: read in a thread beside the event loop, once for all who ask at about the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from starlette.concurrency import run_in_threadpool

from edge.clock import ms
from edge.interfaces import Clock

Value = TypeVar("Value")


class Remembered(Generic[Value]):
    """What `read` returned last; it is read again once that is older than `keep_ms`, by one thread at a time."""

    def __init__(self, read: Callable[[], Value], clock: Clock, keep_ms: float) -> None:
        self._read, self._clock, self._keep = read, clock, ms(keep_ms)
        self._reading = asyncio.Lock()
        self._last: tuple[int, Value] | None = None

    async def get(self) -> Value:
        """Return it.

        Raises:
            Exception: whatever `read` raises; it is read again by whoever asks next.
        """
        async with self._reading:
            if self._last is None or self._clock.now() - self._last[0] >= self._keep:
                value = await run_in_threadpool(self._read)
                self._last = (self._clock.now(), value)
            return self._last[1]
