"""Who may look: everybody on the machine itself, and where the network reaches the page those who signed in, or send the token."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from edge.web.assets import read_markup
from edge.web.station.signin import SignIn
from edge.web.translating import Translator

ENTRANCE: Final = "/enter"
# Where a request that is answered for long finds what says whether it still may be.
STILL: Final = "still_signed_in"
# Whether the station is well, for who watches it from outside, and what signing in needs.
FREE: Final = frozenset({ENTRANCE, "/healthz", "/session", "/sign-in", "/sign-out"})


def may_still_look(request: Request) -> bool:
    """Say whether who asked may go on being told."""
    still: Callable[[], bool] | None = request.scope.get(STILL)
    return still is None or still()


class Reading:
    """Turns away who did not sign in: from a page to the entrance, from everything else with 401.

    `pages` are the addresses that people open; `free` are those, besides FREE, that tell nothing about the station.
    """

    def __init__(self, app: ASGIApp, sign_in: SignIn, pages: Collection[str], free: Collection[str]) -> None:
        self._app, self._sign_in, self._pages = app, sign_in, frozenset(pages)
        self._free = FREE.union(free)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in self._free:
            refusal = await self._refusal(Request(scope))
            if refusal is not None:
                await refusal(scope, receive, send)
                return
            scope[STILL] = self._sign_in.watch(Request(scope))
        await self._app(scope, receive, send)

    async def _refusal(self, request: Request) -> Response | None:
        refusal = await self._sign_in.may_look(request)
        if refusal is not None and refusal.status_code == 401 and request.url.path in self._pages:
            return RedirectResponse(f"{ENTRANCE}?to={quote(request.url.path)}", 303)
        return refusal


class Entrance:
    """The page on which a person signs in who may not look otherwise."""

    posts: Mapping[str, int] = {}

    def __init__(self, language: str) -> None:
        self._translator = Translator(language)
        self._markup = read_markup("station/enter.html").replace("{{dialogs}}", read_markup("station/dialogs.html"))

    def routes(self) -> list[Route]:
        """Return its address."""
        return [Route(ENTRANCE, self.enter)]

    async def enter(self, request: Request) -> Response:
        """The page on which a person signs in, where nobody else may look."""
        return self._translator.answer(request, self._markup, {})
