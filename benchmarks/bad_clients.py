"""A station's page with visitors who misbehave: for benchmarks of what must not suffer from them.

A quarter of them read what they asked for a byte a second, a quarter leave their requests half sent, a quarter ask without a
pause, and a quarter open event streams and leave them at once, again and again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edge.clock import SystemClock
from edge.config import load_station
from edge.health.state import State
from edge.status.live import LiveView
from edge.system.realtime import Priority, real_time
from edge.web.serving.server import PageServer
from edge.web.station.app import build_app

STATION = Path(__file__).resolve().parents[1] / "edge" / "stations" / "demo.toml"
ASKED = ("/belt.jpg", "/api/status", "/api/bins", "/api/health", "/metrics", "/", "/crops/1.jpg")


@dataclass(frozen=True)
class Served:
    """A page that is being served in a thread of its own, as `sorter run` does."""

    live: LiveView
    port: int
    thread: threading.Thread

    def cpu_s(self) -> float:
        """Return the processor's time that its thread has taken so far."""
        assert self.thread.ident is not None
        return time.clock_gettime(time.pthread_getcpuclockid(self.thread.ident))


@contextmanager
def served() -> Iterator[Served]:
    """Serve the page of the demo's station, without a journal, on a free port."""
    clock, station = SystemClock(), load_station(STATION)
    live = LiveView(clock, ("waste", "2.0"))
    live.publish_state(State.RUNNING)
    server = PageServer(build_app(live, station, None, clock), "127.0.0.1", 0)

    def serve() -> None:
        with real_time(Priority.PAGE):
            server.run()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield Served(live, server.port, thread)
    finally:
        server.stop()
        thread.join()


@contextmanager
def misbehaving(port: int, count: int) -> Iterator[Callable[[], str]]:
    """Let so many clients misbehave, in a process of their own; yields what says, once they are gone, what they did."""
    told: list[str] = []
    process = subprocess.Popen(
        [sys.executable, __file__, str(port), str(count)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield lambda: told[0]
    finally:
        told.append(process.communicate("")[0].strip())  # they end with their input


async def _read_slowly(port: int, done: Counter[str]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
    try:
        writer.write(b"GET /belt.jpg HTTP/1.1\r\nHost: localhost\r\n\r\n" * 50)
        while await reader.read(1):
            done["bytes read slowly"] += 1
            await asyncio.sleep(1.0)
    finally:
        writer.close()


async def _ask_half(port: int, done: Counter[str]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"GET /api/status HTTP/1.1\r\nHost: loc")
        done["requests half sent"] += 1
        await reader.read()
    finally:
        writer.close()


async def _flood(port: int, done: Counter[str]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for number in range(1000):
            path = ASKED[number % len(ASKED)]
            writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
            await reader.readexactly(int(fields.get(b"content-length", b"0")))
            done["requests of floods"] += 1
    finally:
        writer.close()


async def _stream_and_leave(port: int, done: Counter[str]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await reader.read(1000)
        done["streams opened"] += 1
    finally:
        writer.close()


async def _again_and_again(
    client: Callable[[int, Counter[str]], Awaitable[None]], port: int, done: Counter[str]
) -> None:
    while True:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, ValueError):
            await client(port, done)
        await asyncio.sleep(0.01)


async def _misbehave(port: int, count: int) -> None:
    kinds, done = (_read_slowly, _ask_half, _flood, _stream_and_leave), Counter[str]()
    clients = [asyncio.create_task(_again_and_again(kinds[n % len(kinds)], port, done)) for n in range(count)]
    await asyncio.to_thread(sys.stdin.read)
    for client in clients:
        client.cancel()
    await asyncio.gather(*clients, return_exceptions=True)
    print(", ".join(f"{number} {what}" for what, number in sorted(done.items())))


if __name__ == "__main__":
    os.nice(19)  # a bad client has a machine of its own; what its work costs here is the page's part
    asyncio.run(_misbehave(int(sys.argv[1]), int(sys.argv[2])))
