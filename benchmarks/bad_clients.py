"""Visitors of a station's page who misbehave: for benchmarks of what must not suffer from them.

A quarter of them read what they asked for a byte a second, a quarter leave their requests half sent, a quarter ask without a
pause, and a quarter open event streams and leave them at once, again and again.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

ASKED = ("/belt.jpg", "/api/status", "/api/bins", "/api/health", "/metrics", "/", "/crops/1.jpg")


@contextmanager
def misbehaving(port: int, count: int) -> Iterator[Callable[[], str]]:
    """Let so many clients misbehave, in a process of their own; yields what says, once they are gone, what they did."""
    told: list[str] = []
    process = subprocess.Popen(
        [sys.executable, __file__, str(port), str(count)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()  # they are at work
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
    while len(done) < len(kinds):
        await asyncio.sleep(0.1)
    print("at work", flush=True)
    done.clear()
    await asyncio.to_thread(sys.stdin.read)
    for client in clients:
        client.cancel()
    await asyncio.gather(*clients, return_exceptions=True)
    print(", ".join(f"{number} {what}" for what, number in sorted(done.items())))


if __name__ == "__main__":
    asyncio.run(_misbehave(int(sys.argv[1]), int(sys.argv[2])))
