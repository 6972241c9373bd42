"""Who may be connected to the page: a share for each address, some places for this machine, nobody who dawdles."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edge.web.serving.pace import Pace

MAX_CONNECTIONS = 48
# Monitoring runs on the station itself, and so does the end of an SSH tunnel: others never take these places.
KEPT_FOR_LOCALHOST = 8
# Two browsers with several tabs; a whole office behind one address still sees the page.
MAX_PER_ADDRESS = 16
LOCALHOST = "localhost"
# Eight people who look at the live picture ask for 80 answers a second; a page of Items loads 60 pictures at once.
ANSWERS_PER_S, ANSWERS_AT_ONCE = 100, 200
# How long a connection with TLS may take to say goodbye.
SHUTDOWN_S = 1.0


def origin_of(address: str) -> str:
    """Return what counts as one visitor: an IPv4 address, an IPv6 network (whoever has one has 2^64 addresses), or LOCALHOST."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    if parsed.is_loopback:
        return LOCALHOST
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


class Visitor(asyncio.Protocol):
    """One connection: hands everything on to the server's own protocol, and hangs up when it takes too long.

    It is admitted before anything is read. With TLS, what the visitor has to say first is said within the same patience.
    `is_answered` says that a request is being answered: only a visitor for whom none is has to make way for others.
    """

    def __init__(self, inner: asyncio.Protocol, visitors: Visitors) -> None:
        self.origin = ""
        self.is_answered = False
        self._inner, self._visitors = inner, visitors
        self._transport: asyncio.Transport | None = None
        self._name: tuple[str, int] = ("", 0)
        self._is_behind = False  # with taking what it was sent
        self._is_served = self._is_gone = False
        self._early = b""  # what came before the server knew of the connection
        self._handshake: asyncio.Task[None] | None = None
        self._deadline: asyncio.TimerHandle | None = None

    def begin_answer(self, *, takes_body: bool) -> None:
        """A request has come: from now on the visitor waits for us, but for what it has still to send or to take."""
        self.is_answered = True
        if not (takes_body or self._is_behind):
            self._wait_for_nothing()

    def end_body(self) -> None:
        """All of the request has come: now the visitor waits for us alone, but for what it has still to take."""
        if self.is_answered and not self._is_behind:
            self._wait_for_nothing()

    def end_answer(self) -> None:
        """The next request may come."""
        self.is_answered = False
        if not self._is_behind:
            self._expect_progress()

    def hang_up(self) -> None:
        """Cut the connection at once, whatever is still to be sent."""
        self._wait_for_nothing()
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        peer = transport.get_extra_info("peername") or ("", 0)
        self._name = (str(peer[0]), int(peer[1]))
        self.origin = self._visitors.origin(self._name[0])
        if not self._visitors.admit(self, self._name):
            transport.abort()
            return
        self._expect_progress()
        if self._visitors.tls is None:
            self._serve(transport)
        else:
            self._handshake = asyncio.get_running_loop().create_task(self._shake_hands(transport, self._visitors.tls))

    def data_received(self, data: bytes) -> None:
        if self._is_served:
            self._inner.data_received(data)
        else:
            self._early += data

    def eof_received(self) -> bool | None:
        return self._inner.eof_received() if self._is_served else None

    def pause_writing(self) -> None:
        self._inner.pause_writing()
        self._is_behind = True
        self._expect_progress()

    def resume_writing(self) -> None:
        self._inner.resume_writing()
        self._is_behind = False
        if self.is_answered:
            self._wait_for_nothing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_for_nothing()
        self._visitors.leave(self, self._name)
        self._is_gone = True
        if self._is_served:
            self._inner.connection_lost(exc)

    async def _shake_hands(self, transport: asyncio.Transport, tls: ssl.SSLContext) -> None:
        try:
            secured = await asyncio.get_running_loop().start_tls(
                transport,
                self,
                tls,
                server_side=True,
                ssl_handshake_timeout=self._visitors.patience_s,
                ssl_shutdown_timeout=SHUTDOWN_S,
            )
        except OSError:  # it speaks something else, or is gone
            self.connection_lost(None)
            return
        if secured is not None and not self._is_gone:
            self._transport = secured
            self._serve(secured)

    def _serve(self, transport: asyncio.Transport) -> None:
        self._is_served = True
        self._inner.connection_made(transport)
        early, self._early = self._early, b""
        if early:
            self._inner.data_received(early)

    def _expect_progress(self) -> None:
        self._wait_for_nothing()
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(self._visitors.patience_s, self.hang_up)

    def _wait_for_nothing(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


@dataclass
class Visitors:
    """All connections of one server, and the ASGI layer that knows when a request is being answered.

    When there is no room, a connection that asks for nothing makes way for a newcomer: the longest idle one of the
    newcomer's own address if that has its share, else of the address that has the most. `scope["visitor"]` tells the app
    whose request it answers.
    """

    app: ASGIApp
    patience_s: float
    origin: Callable[[str], str] = origin_of
    tls: ssl.SSLContext | None = None
    _pace: Pace = field(default_factory=lambda: Pace(ANSWERS_PER_S, ANSWERS_AT_ONCE))
    _there: dict[Visitor, None] = field(default_factory=dict)  # the longest idle first
    _by_name: dict[tuple[str, int], Visitor] = field(default_factory=dict)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = scope.get("client")  # none in the scope of the server's own start and end
        visitor = self._by_name.get((client[0], client[1])) if client else None
        if visitor is None:
            await self.app(scope, receive, send)
            return
        scope["visitor"] = visitor.origin

        async def receive_noted() -> Message:
            message = await receive()
            if message["type"] == "http.request" and not message.get("more_body", False):
                visitor.end_body()
            return message

        visitor.begin_answer(takes_body=scope["method"] not in ("GET", "HEAD"))
        try:
            await self._pace.wait()
            await self.app(scope, receive_noted, send)
        finally:
            if visitor in self._there:
                self._there[visitor] = self._there.pop(visitor)
                visitor.end_answer()

    def admit(self, visitor: Visitor, name: tuple[str, int]) -> bool:
        """Take a connection in, if need be in the place of an idle one; False: there is no room for it."""
        rivals = self._rivals(visitor.origin)
        if rivals is not None:
            idle = next((other for other in self._there if other.origin in rivals and not other.is_answered), None)
            if idle is None:
                return False
            self._forget(idle)
            idle.hang_up()
        self._there[visitor] = None
        self._by_name[name] = visitor
        return True

    def leave(self, visitor: Visitor, name: tuple[str, int]) -> None:
        """Forget a connection that has ended."""
        self._forget(visitor)
        if self._by_name.get(name) is visitor:
            del self._by_name[name]

    def _forget(self, visitor: Visitor) -> None:
        self._there.pop(visitor, None)

    def _rivals(self, origin: str) -> frozenset[str] | None:
        """Return the addresses of which one connection has to make way for a newcomer; None: there is room."""
        counts = Counter(visitor.origin for visitor in self._there)
        local = counts[LOCALHOST]
        if origin != LOCALHOST and counts[origin] >= MAX_PER_ADDRESS:
            return frozenset({origin})
        if origin != LOCALHOST and counts.total() - local >= MAX_CONNECTIONS - KEPT_FOR_LOCALHOST:
            del counts[LOCALHOST]
        elif counts.total() < MAX_CONNECTIONS:
            return None
        most = max(counts.values())
        return frozenset(address for address, count in counts.items() if count == most)


def visiting(inner: Any, visitors: Visitors) -> Any:
    """Return what makes a server's protocols, each behind a Visitor; the server's arguments are handed on as they are."""
    return lambda *args, **kwargs: Visitor(inner(*args, **kwargs), visitors)


class Places:
    """So many of something, of which each visitor's address may have a share; used within one event loop."""

    def __init__(self, most: int, share: int) -> None:
        self._most, self._share = most, share
        self._taken: Counter[str] = Counter()

    def take(self, origin: str) -> bool:
        """Take a place; False when there is none left for that visitor."""
        share = self._most if origin == LOCALHOST else self._share
        if self._taken.total() >= self._most or self._taken[origin] >= share:
            return False
        self._taken[origin] += 1
        return True

    def give_back(self, origin: str) -> None:
        """Give a place back."""
        self._taken[origin] -= 1
