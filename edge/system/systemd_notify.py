"""Tells systemd how the service is: ready, its state in a line, alive (sd_notify's protocol, without its library)."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field

from edge.clock import NS_PER_S

log = logging.getLogger(__name__)


@dataclass
class Notifier:
    """Sends to the socket that systemd named; does nothing where there is none.

    `every` is the least span between two signs of life, nanoseconds: a frame comes more often than
    systemd has to hear of it.
    """

    address: str = ""
    every: int = NS_PER_S
    _fed_at: int | None = field(default=None, init=False)
    _shown: str = field(default="", init=False)
    _span: int | None = field(default=None, init=False)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Notifier:
        return cls(environment.get("NOTIFY_SOCKET", ""))

    def ready(self, text: str) -> None:
        """The service is up; `systemctl start` returns."""
        self._send(f"READY=1\nSTATUS={_line(text)}")

    def status(self, text: str) -> None:
        """Show one line in `systemctl status`; sent only when it changes."""
        if text != self._shown:
            self._shown = text
            self._send(f"STATUS={_line(text)}")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def feed_watchdog(self, at: int) -> None:
        """Give a sign of life; call it only when `Health.watchdog_due` says so."""
        if self._fed_at is None or at - self._fed_at >= self.every:
            self._fed_at = at
            self._send("WATCHDOG=1")

    def set_watchdog_span(self, span: int) -> None:
        """Change how long systemd waits for the next sign of life, nanoseconds; sent only when it changes."""
        if span != self._span:
            self._span = span
            self._send(f"WATCHDOG_USEC={span // 1000}")

    def _send(self, message: str) -> None:
        if not self.address:
            return
        address = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.setblocking(False)  # a busy systemd must not stop the line
                channel.sendto(message.encode(), address)
        except OSError as error:
            log.warning("systemd could not be told %r: %s", message.partition("\n")[0], error)


def _line(text: str) -> str:
    return " ".join(text.split())
