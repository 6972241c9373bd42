"""A client's connection: two descriptors that are read and written in time, so that whoever is slow loses the place."""

from __future__ import annotations

import fcntl
import json
import os
import select
import stat
from contextlib import suppress
from io import FileIO
from typing import TYPE_CHECKING

from edge.clock import NS_PER_S
from edge.errors import TransferError

if TYPE_CHECKING:
    from edge.interfaces import Clock

# A client that is silent for so long is gone; one that moves less than this all in all is as good as gone.
SILENCE_S = 30
PATIENCE_S = 60
LEAST_BYTES_PER_S = 4096
LONGEST_LINE = 1 << 16
_CHUNK = 1 << 18
_PIPE = 1 << 20  # the most that Linux lets everybody have


class Connection:
    """Counts the time spent waiting for the client, never that of our own work."""

    def __init__(self, reader: FileIO, writer: FileIO, clock: Clock) -> None:
        self._reader, self._writer, self._clock = reader, writer, clock
        self._waited_ns = self._moved = 0
        # Otherwise a write would wait for as long as the client reads nothing. A terminal is other programs' too.
        if stat.S_ISFIFO(mode := os.fstat(writer.fileno()).st_mode) or stat.S_ISSOCK(mode):
            os.set_blocking(writer.fileno(), False)

    @property
    def client(self) -> int:
        """The descriptor whose other end the client reads."""
        return self._writer.fileno()

    def say(self, **event: object) -> None:
        """Send one event."""
        self.write(json.dumps(event).encode() + b"\n")

    def write(self, content: bytes) -> None:
        """Send bytes.

        Raises:
            TransferError: the client takes nothing, or too little.
            OSError: the client is gone.
        """
        left = memoryview(content)
        while left:
            count = self._writer.write(left[:_CHUNK])
            if count is None:
                if not self._wait(self._writer, select.POLLOUT, SILENCE_S):
                    raise TransferError(f"the client took nothing for {SILENCE_S} s")
                continue
            self._moved += count
            left = left[count:]

    def read(self, most: int = _CHUNK) -> bytes:
        """What has come, at least one byte; empty when the client is gone.

        Raises:
            TransferError: it comes too slowly.
        """
        while self._wait(self._reader, select.POLLIN, SILENCE_S):
            content = self._reader.read(min(most, _CHUNK))
            if content is not None:
                self._moved += len(content)
                return content
        return b""

    def read_exactly(self, size: int) -> bytes:
        """So many bytes, or fewer when the client is gone."""
        content = bytearray()
        while len(content) < size and (chunk := self.read(size - len(content))):
            content += chunk
        return bytes(content)

    def read_line(self) -> bytes:
        """One line, or as much of it as shows that it is none of ours: scp and sftp say things without an end."""
        line = b""
        while len(line) < LONGEST_LINE and not line.endswith(b"\n") and line[:1] in (b"", b"{"):
            byte = self.read(1)
            if not byte:
                break
            line += byte
        return line

    def has_come(self) -> bool:
        """Tell whether there is something to read, if only the client's end."""
        return self._wait(self._reader, select.POLLIN, 0)

    def widen(self) -> None:
        """Let a megabyte wait in the pipe: sshd hands over no more at once, and takes long over what it has to keep itself.

        5 MB came in 47 ms instead of 160 ms.
        """
        with suppress(OSError):  # no pipe, or this account's pipes hold enough already
            fcntl.fcntl(self._reader, fcntl.F_SETPIPE_SZ, _PIPE)

    def _wait(self, file: FileIO, what: int, most_s: float) -> bool:
        started_at = self._clock.now()
        left_s = PATIENCE_S + self._moved / LEAST_BYTES_PER_S - self._waited_ns / NS_PER_S
        if left_s <= 0:
            raise TransferError(
                f"the connection is too slow: {self._moved} bytes in {self._waited_ns / NS_PER_S:.0f} s, expected "
                f"{LEAST_BYTES_PER_S} in each: push or pull again over a better one, it goes on there"
            )
        poll = select.poll()
        poll.register(file, what)
        ready = bool(poll.poll(min(most_s, left_s) * 1000))
        self._waited_ns += self._clock.now() - started_at
        return ready
