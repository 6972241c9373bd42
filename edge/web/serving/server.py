"""Serves an app from a thread, so that no number or kind of visitors can cost the station anything but the page."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import socket
import struct
import threading
from collections.abc import Callable

import uvicorn
from starlette.applications import Starlette

from edge.errors import ConfigError
from edge.web.serving.tls import TlsFiles, open_tls
from edge.web.serving.visitors import LOCALHOST, MAX_CONNECTIONS, Visitors, origin_of, visiting

MAX_HEADER_BYTES = 16_384
PATIENCE_S = 10.0
# A visitor that has vanished (a cable, a phone out of reach) is given up when it acknowledges nothing for so long.
VANISHED_MS = 20_000
# Below everything that sorts: a page that is being looked at never takes the processor from it.
NICENESS = 10
ANYWHERE = ("", "0.0.0.0", "::")
_SIOCGIFADDR = 0x8915

log = logging.getLogger(__name__)


class PageServer:
    """A server for one app, listening from the moment it is built.

    A visitor who takes longer than `patience_s` to send a request, or to take an answer, is cut off; `origin` says whose
    an address is (see `Visitors`). With `tls` it takes nothing but that.

    Raises:
        ConfigError: the address can't be listened on, or a file of `tls` can't be used.
    """

    def __init__(
        self,
        app: Starlette,
        host: str,
        port: int,
        patience_s: float = PATIENCE_S,
        origin: Callable[[str], str] = origin_of,
        tls: TlsFiles | None = None,
    ) -> None:
        context = None if tls is None else open_tls(tls)
        self._socket = listen(host, port)
        self.app = app
        self.host = host
        self.scheme = "http" if tls is None else "https"
        self.port: int = self._socket.getsockname()[1]
        self._closing: threading.Event = app.state.closing
        visitors = Visitors(app, patience_s, origin, context)
        config = uvicorn.Config(
            visitors,
            http="h11",
            ws="none",
            loop="asyncio",
            lifespan="on",
            log_config=None,
            log_level=logging.ERROR,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=5,
            timeout_graceful_shutdown=1,
            h11_max_incomplete_event_size=MAX_HEADER_BYTES,
            callback_notify=self._look_whether_it_ends,
            timeout_notify=0,
        )
        config.load()
        # The one thing that is used of uvicorn beside its documented settings: pyproject.toml bounds the versions for it.
        config.http_protocol_class = visiting(config.http_protocol_class, visitors)
        self._server = uvicorn.Server(config)

    async def _look_whether_it_ends(self) -> None:
        """An app ends its own server too, by `app.state.closing`; uvicorn asks once a second."""
        self._server.should_exit = self._server.should_exit or self._closing.is_set()

    @property
    def url(self) -> str:
        """The address to open in a browser on this machine."""
        host = "localhost" if self.host in ANYWHERE else self.host
        return f"{self.scheme}://{f'[{host}]' if ':' in host else host}:{self.port}/"

    @property
    def urls(self) -> list[str]:
        """That address, and those to open on other machines where it listens on all of this machine's."""
        others = own_addresses() if self.host in ANYWHERE else []
        return [self.url, *(f"{self.scheme}://{address}:{self.port}/" for address in others)]

    def where(self, path: str) -> str:
        """Say where a path of the page is opened: here, and on other machines where it listens on all of this machine's."""
        here, *others = [f"{url}{path.removeprefix('/')}" for url in self.urls]
        return f"{here} (on another machine: {' or '.join(others)})" if others else here

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


def own_addresses() -> list[str]:
    """Return the IPv4 addresses of this machine in the networks that it is connected to."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        found = [_address_of(asking, name) for _, name in socket.if_nameindex()]
    return [address for address in found if address and origin_of(address) != LOCALHOST]


def _address_of(asking: socket.socket, interface: str) -> str:
    try:
        told = fcntl.ioctl(asking, _SIOCGIFADDR, struct.pack("256s", interface.encode()))
    except OSError:  # it has none
        return ""
    return socket.inet_ntoa(told[20:24])


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
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, VANISHED_MS)
    # asyncio does this for sockets that name their protocol alone; without it a visitor waits 40 ms for an answer's second part.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listening.setblocking(False)
    return listening


def _explain(error: OSError, host: str, port: int) -> str:
    at = f"the page can't listen on {host} port {port}"
    if error.errno == errno.EADDRINUSE:
        return f"{at}: another program uses it. Stop that program, or set another [page] port or --port (0 takes a free one)"
    if error.errno == errno.EACCES:
        return f"{at}: ports below 1024 need root. Set [page] port or --port to 1024 or more"
    return (
        f"{at}: {error.strerror}. Expected [page] host or --host to be an address of this machine, 127.0.0.1 or 0.0.0.0"
    )
