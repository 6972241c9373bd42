"""The page while the station runs: one that can't be opened, or dies, is a fault and no reason not to sort."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from edge.errors import SorterError
from edge.health.faults import FaultKind
from edge.health.monitors import Observer

log = logging.getLogger(__name__)


class Server(Protocol):
    """What is needed of a page's server, which listens from the moment it is there."""

    @property
    def url(self) -> str: ...

    @property
    def urls(self) -> Sequence[str]: ...

    @property
    def port(self) -> int: ...

    def run(self) -> None:
        """Serve until stop() is called."""
        ...

    def stop(self) -> None:
        """End run(); may be called from any thread, and twice."""
        ...


class Page(Observer):
    """Opens the page, serves it and says whether it is there; `open_server` is None where the station has none.

    `is_taken_away` lets people practise the fault; at a real station it never is.
    """

    kinds = frozenset({FaultKind.PAGE_DOWN})

    def __init__(self, open_server: Callable[[], Server] | None, is_taken_away: Callable[[], bool]) -> None:
        self._open_server = open_server
        self._is_taken_away = is_taken_away
        self._ended = False
        self.server: Server | None = None
        self._try_to_open("sorting goes on without it, and it is tried again")

    def faults(self, now: int) -> Iterator[tuple[FaultKind, str]]:
        if self.server is not None and self._is_taken_away():
            self._close()
        if self._open_server is not None and self.server is None:
            yield FaultKind.PAGE_DOWN, ""

    def run(self) -> None:
        """Serve until the end: the body of a thread. Its death is a fault, nothing more."""
        server = self.server
        if server is None:
            return
        try:
            server.run()
        except Exception:
            log.exception("the page failed")
            self.server = None

    def reopen(self) -> None:
        """Try to open it anew, and serve: the body of a thread."""
        server = self._try_to_open("it is tried again")
        if server is not None:
            log.info("the page is back: %s", server.url)
            if self._ended:  # it may have been missed by the one who winds up
                server.stop()
            self.run()

    def stop(self) -> None:
        """End it for good; may be called from any thread, and twice."""
        self._ended = True
        if self.server is not None:
            self.server.stop()

    def _try_to_open(self, but: str) -> Server | None:
        if self._open_server is None or self._is_taken_away():
            return None
        try:
            self.server = self._open_server()
        except SorterError as error:
            log.error("%s; %s", error, but)
        return self.server

    def _close(self) -> None:
        server, self.server = self.server, None
        if server is not None:
            server.stop()
