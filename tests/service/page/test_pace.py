"""A flood is answered no faster than a page needs, and nobody is kept waiting for long because of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx

from edge.clock import SystemClock
from edge.web.serving.pace import Pace
from edge.web.serving.visitors import ANSWERS_AT_ONCE, ANSWERS_PER_S


def test_requests_begin_at_once_until_too_many_have_come_and_evenly_from_then_on() -> None:
    async def begin(count: int) -> list[float]:
        pace, loop = Pace(per_s=50, at_once=10), asyncio.get_running_loop()
        begun = loop.time()

        async def one() -> float:
            await pace.wait()
            return loop.time() - begun

        return await asyncio.gather(*(one() for _ in range(count)))

    instants = asyncio.run(begin(30))
    assert instants == sorted(instants)
    assert instants[9] < 0.2
    assert instants[-1] >= 0.39  # 20 of them at 50 a second


def test_a_flood_is_answered_at_that_pace(serve: Callable[..., Any]) -> None:
    clock = SystemClock()
    page = serve(clock)
    with httpx.Client(base_url=page.url, timeout=30) as client:
        begun = clock.now()
        for _ in range(ANSWERS_AT_ONCE + ANSWERS_PER_S):
            assert client.get("/healthz").status_code == 200
    assert clock.now() - begun >= 0.9e9
