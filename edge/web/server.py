"""Serves an app from a thread, so that no number or kind of visitors can cost the station anything but the page."""

from __future__ import annotations

import asyncio
import errno
import functools
import logging
import os
import socket
import threading
from typing import Any

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

from edge.errors import ConfigError

MAX_CONNECTIONS = 48
MAX_HEADER_BYTES = 16_384
PATIENCE_S = 10.0
# Below everything that sorts: a page that is being looked at never takes the processor from it.
NICENESS = 10

log = logging.getLogger(__name__)


class _Connection(H11Protocol):
    """One visitor, with limits that uvicorn leaves open: how many there are and how slow they may be."""

    def __init__(self, *args: Any, patience_s: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._patience_s = patience_s
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            transport.abort()
        else:
            self._be_patient()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._calm_down()
        elif self.timeout_keep_alive_task is None and self._deadline is None:
            self._be_patient()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._be_patient()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._calm_down()

    def connection_lost(self, exc: Exception | None) -> None:
        self._calm_down()
        super().connection_lost(exc)

    def _be_patient(self) -> None:
        self._calm_down()
        self._deadline = self.loop.call_later(self._patience_s, self.transport.abort)

    def _calm_down(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class PageServer:
    """A server for one app, listening from the moment it is built.

    A visitor who takes longer than `patience_s` to send a request, or to take an answer, is cut off.

    Raises:
        ConfigError: the address can't be listened on.
    """

    def __init__(self, app: Starlette, host: str, port: int, patience_s: float = PATIENCE_S) -> None:
        self._socket = listen(host, port)
        self.app = app
        self.host = host
        self.port: int = self._socket.getsockname()[1]
        self._closing: threading.Event = app.state.closing
        settings: dict[str, Any] = {
            "http": functools.partial(_Connection, patience_s=patience_s),
            "ws": "none",
            "loop": "asyncio",
            "lifespan": "on",
            "log_config": None,
            "log_level": logging.ERROR,
            "access_log": False,
            "server_header": False,
            "proxy_headers": False,
            "timeout_keep_alive": 5,
            "timeout_graceful_shutdown": 1,
            "h11_max_incomplete_event_size": MAX_HEADER_BYTES,
        }
        self._server = uvicorn.Server(uvicorn.Config(app, **settings))

    @property
    def url(self) -> str:
        """The address to open in a browser on this machine."""
        host = "localhost" if self.host in ("", "0.0.0.0", "::") else self.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/"

    def run(self) -> None:
        """Serve until stop() is called; lowers the priority of the thread that it runs in."""
        try:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        except OSError as error:
            log.warning("the page's thread keeps its priority: %s", error.strerror)
        self.serve()

    def serve(self) -> None:
        """Serve until stop() is called, in this thread as it is."""
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self.close()

    def close(self) -> None:
        """Give the port back; run() does it at its end."""
        self._socket.close()

    def stop(self) -> None:
        """End run() within about two seconds; may be called from any thread, and twice."""
        self._closing.set()
        self._server.should_exit = True


def listen(host: str, port: int) -> socket.socket:
    """Listen on an address of this machine.

    Raises:
        ConfigError: it is in use, not this machine's, or not allowed.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.create_server((address[0], port), family=family, backlog=MAX_CONNECTIONS)
    except OSError as error:
        raise ConfigError(_explain(error, host, port)) from None
    listening.setblocking(False)
    return listening


def _explain(error: OSError, host: str, port: int) -> str:
    at = f"the page can't listen on {host} port {port}"
    if error.errno == errno.EADDRINUSE:
        return f"{at}: another program uses it. Stop that program or set another [page] port (0 takes a free one)"
    if error.errno == errno.EACCES:
        return f"{at}: ports below 1024 need root. Set [page] port to 1024 or more"
    return f"{at}: {error.strerror}. Expected [page] host to be an address of this machine, 127.0.0.1 or 0.0.0.0"
