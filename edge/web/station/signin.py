"""Who may change something: a person who signed in with the station's token, or a script that sends it along.

Sessions live in memory, so a restart ends them. What changes something needs besides the session's cookie, which a browser
sends by itself, a header that only this page's own script knows to send: a page of another site can't.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import math
import secrets
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from edge.clock import NS_PER_S
from edge.interfaces import Clock
from edge.web.station.attempts import Attempts
from edge.web.station.token import PageToken
from edge.web.station.words import NO_TOKEN_TEXT, OTHER_PAGE_TEXT, REFUSAL_TEXT

CSRF_HEADER: Final = "X-CSRF-Token"
SESSION_S = 12 * 3600
MOST_SESSIONS = 64
# How soon a new token counts.
LOOK_S = 2.0

Endpoint = Callable[[Request], Awaitable[Response]]


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    token: str


@dataclass(frozen=True, slots=True)
class _Session:
    csrf: str
    ends_at: int


class SignIn:
    """Sessions of people, and tokens that scripts send; without a `token` nobody may change anything."""

    posts: Mapping[str, int] = {"/sign-in": 300, "/sign-out": 300}

    def __init__(self, clock: Clock, token: PageToken | None) -> None:
        self._clock, self._token = clock, token
        self._attempts = Attempts(clock)
        self._sessions: dict[bytes, _Session] = {}
        self._mark = b"" if token is None else token.mark

    def routes(self) -> list[Route]:
        """Return the addresses of signing in and out."""
        return [
            Route("/session", self.session),
            Route("/sign-in", self.sign_in, methods=["POST"]),
            Route("/sign-out", self.guarded(self.sign_out), methods=["POST"]),
        ]

    async def keep_up(self, closing: threading.Event) -> None:
        """Notice a new token until the page closes; whoever asks for something never waits for the disk."""
        while not closing.is_set():
            await self._look()
            await asyncio.sleep(LOOK_S)

    def guarded(self, endpoint: Endpoint) -> Endpoint:
        """Return the endpoint for those who signed in: 401 for others, 403 without the header of the page's own script.

        `who_of` says for the endpoint who asks.
        """

        @functools.wraps(endpoint)
        async def guarded(request: Request) -> Response:
            refusal = await self._refusal(request)
            return await endpoint(request) if refusal is None else refusal

        return guarded

    async def may_look(self, request: Request) -> Response | None:
        """Return None for who signed in or sends the token, else the answer for who did not."""
        if self._session_of(request) is not None:
            return None
        return await self._refuse_bearer(request)

    def watch(self, request: Request) -> Callable[[], bool]:
        """Return what says whether who was let in with this request still would be."""
        mark, has_session = self._mark, self._session_of(request) is not None
        return lambda: self._mark == mark and (not has_session or self._session_of(request) is not None)

    async def session(self, request: Request) -> Response:
        """JSON: whether this browser signed in, and what its pages send along with changes as `X-CSRF-Token`."""
        session = self._session_of(request)
        return JSONResponse({"signed_in": session is not None, "csrf": "" if session is None else session.csrf})

    async def sign_in(self, request: Request) -> Response:
        """Takes `{"token": "..."}` and answers as `/session` does, with a cookie: 403 for a wrong one, 429 for another after several."""
        try:
            given = _Given.model_validate_json(await request.body()).token
        except ValidationError:
            return PlainTextResponse('Expected {"token": "..."}.\n', 400)
        refusal = await self._refuse_token(request, given)
        if refusal is not None:
            return refusal
        secret, session = self._begin()
        answer = JSONResponse({"signed_in": True, "csrf": session.csrf})
        is_secure = request.url.scheme == "https" or request.headers.get("origin", "").startswith("https:")
        answer.set_cookie(_cookie(request), secret, httponly=True, samesite="strict", path="/", secure=is_secure)
        return answer

    async def sign_out(self, request: Request) -> Response:
        """Takes `{}`; ends the session of this browser."""
        await request.body()
        self._sessions.pop(_digest(request.cookies.get(_cookie(request), "")), None)
        answer = JSONResponse({"signed_in": False, "csrf": ""})
        answer.delete_cookie(_cookie(request), path="/", httponly=True, samesite="strict")
        return answer

    def _begin(self) -> tuple[str, _Session]:
        now = self._clock.now()
        self._sessions = {key: session for key, session in self._sessions.items() if session.ends_at > now}
        while len(self._sessions) >= MOST_SESSIONS:
            self._sessions.pop(next(iter(self._sessions)))
        secret = secrets.token_urlsafe(24)
        session = self._sessions[_digest(secret)] = _Session(secrets.token_urlsafe(24), now + SESSION_S * NS_PER_S)
        return secret, session

    def _session_of(self, request: Request) -> _Session | None:
        session = self._sessions.get(_digest(request.cookies.get(_cookie(request), "")))
        return None if session is None or session.ends_at <= self._clock.now() else session

    async def _refusal(self, request: Request) -> Response | None:
        session = self._session_of(request)
        if session is None:
            return await self._refuse_bearer(request)
        sent = request.headers.get(CSRF_HEADER, "")
        if not secrets.compare_digest(sent.encode(), session.csrf.encode()):
            return PlainTextResponse(f"{OTHER_PAGE_TEXT}\n", 403)
        return None

    async def _refuse_bearer(self, request: Request) -> Response | None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return _refuse(401, {"WWW-Authenticate": "Bearer"})
        return await self._refuse_token(request, given)

    async def _refuse_token(self, request: Request, given: str) -> Response | None:
        """Return None for the right token, however many wrong ones came before."""
        origin = _origin_of(request)
        if self._token is None:
            return PlainTextResponse(f"{NO_TOKEN_TEXT}\n", 403)
        if self._token.is_right(given):
            self._attempts.succeeded(origin)
            return None
        wait_s = self._attempts.wait_s(origin)
        if wait_s:
            return _refuse(429, {"Retry-After": str(math.ceil(wait_s))})
        # Counted before anything is waited for: many that are sent at once are many.
        self._attempts.failed(origin)
        await self._look()  # it may have been replaced a moment ago
        if self._token.is_right(given):
            self._attempts.succeeded(origin)
            return None
        if not self._token.is_known:
            return _refuse(503)
        return _refuse(403)

    async def _look(self) -> None:
        if self._token is None:
            return
        await run_in_threadpool(self._token.look)
        if self._token.mark != self._mark:
            self._sessions.clear()
            self._mark = self._token.mark


def who_of(request: Request) -> str:
    """Return who asks, for the journal."""
    return f"{'somebody' if request.client is None else request.client.host} on the page"


def _refuse(status: int, headers: Mapping[str, str] | None = None) -> Response:
    return PlainTextResponse(f"{REFUSAL_TEXT[status]}\n", status, headers)


def _origin_of(request: Request) -> str:
    return str(request.scope.get("visitor") or (request.client.host if request.client else ""))


def _cookie(request: Request) -> str:
    """Return the cookie's name: a browser shares cookies among all ports of a name, such as several stations' tunnels."""
    return f"session-{request.url.port or 'page'}"


def _digest(secret: str) -> bytes:
    """Return what a session is kept under: looking it up tells nothing about the secret by the time that it takes."""
    return hashlib.sha256(secret.encode(errors="replace")).digest()
