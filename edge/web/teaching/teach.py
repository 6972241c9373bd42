"""Teaching from the page: things are shown to the station label by label, it learns from them, and what came of it is installed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Annotated, Any, Final, Protocol

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from edge.errors import SorterError
from edge.web.station.signin import SignIn, who_of

MOST_BYTES: Final = 500
PATIENCE_S: Final = 10.0
LOOK: Final = "/api/teach"
_Word = Annotated[str, StringConstraints(max_length=100)]


class Teaching(Protocol):
    """What the station does for whoever teaches it; see `edge/station/teaching/classroom.py`."""

    def ask(self, action: str, by: str, values: Mapping[str, str]) -> Future[dict[str, Any]]:
        """Have something done; the answer is how everything stands then, or a SorterError."""
        ...

    def stay(self, mark: str) -> bool:
        """Take a sign of life of the page that leads; False where it leads no longer."""
        ...

    def picture(self, number: int) -> bytes | None:
        """Return the JPEG of an item that was just taken."""
        ...


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _OfLabel(_Asked):
    label: _Word


class _Leading(_Asked):
    mark: _Word


class _Choosing(_Leading):
    label: _Word


class _PerhapsLeading(_Asked):
    mark: _Word = ""


class _Forgetting(_PerhapsLeading):
    label: _Word


class _OfHead(_PerhapsLeading):
    digest: _Word


_BODIES: Final[Mapping[str, type[_Asked]]] = {
    "begin": _OfLabel,
    "choose": _Choosing,
    "undo": _Leading,
    "end": _Asked,
    "learn": _PerhapsLeading,
    "install": _OfHead,
    "forget": _Forgetting,
}


class NotTaught:
    """The one address of a station that can't be taught from its page."""

    posts: Mapping[str, int] = {}

    def routes(self) -> list[Route]:
        """Return it."""
        return [Route(LOOK, self.look)]

    async def look(self, _request: Request) -> Response:
        """JSON: `{"taught": false}` where the page only shows."""
        return JSONResponse({"taught": False})


class Teach:
    """The addresses of teaching: everybody may look, and those who signed in may teach."""

    posts: Mapping[str, int] = {f"/teach/{action}": MOST_BYTES for action in _BODIES}

    def __init__(self, sign_in: SignIn, teaching: Teaching) -> None:
        self._sign_in, self._teaching = sign_in, teaching

    def routes(self) -> list[Route]:
        """Return the addresses."""
        return [
            Route(LOOK, self.look),
            Route("/teach/pictures/{name}", self.picture),
            *(
                Route(path, self._sign_in.guarded(endpoint), methods=["POST"])
                for path, endpoint in (
                    ("/teach/begin", self.begin),
                    ("/teach/choose", self.choose),
                    ("/teach/undo", self.undo),
                    ("/teach/end", self.end),
                    ("/teach/learn", self.learn),
                    ("/teach/install", self.install),
                    ("/teach/forget", self.forget),
                )
            ),
        ]

    async def look(self, request: Request) -> Response:
        """JSON: what can be shown and how much was, who teaches, how far learning is, what came of it, the heads taught so far.

        `?mark=...`, as `/teach/begin` gives it, is a sign of life: after 10 s without one teaching ends.
        """
        leads = self._teaching.stay(request.query_params.get("mark", ""))
        return await self._do("look", "", {}, {"leads": leads})

    async def picture(self, request: Request) -> Response:
        """JPEG: an item that was just shown, as the model gets it; 404 once it is none of the last ones."""
        number, _, suffix = str(request.path_params["name"]).partition(".")
        is_number = number.isascii() and number.isdecimal() and len(number) <= 12
        jpeg = self._teaching.picture(int(number)) if suffix == "jpg" and is_number else None
        if jpeg is None:
            return PlainTextResponse("There is no picture of this item (any more).\n", 404)
        return Response(jpeg, media_type="image/jpeg")

    async def begin(self, request: Request) -> Response:
        """Takes `{"label": "..."}`: stops the station, lets the belt run, and keeps what comes as things of that label.

        409 with the reason where that can't be: somebody else teaches it, or stopped it. Answers as `/api/teach`, with the `mark` of the page that leads.
        """
        return await self._take("begin", request)

    async def choose(self, request: Request) -> Response:
        """Takes `{"label": "...", "mark": "..."}`: what comes from now on is of that label."""
        return await self._take("choose", request)

    async def undo(self, request: Request) -> Response:
        """Takes `{"mark": "..."}`: takes the last item back."""
        return await self._take("undo", request)

    async def end(self, request: Request) -> Response:
        """Takes `{}`: ends teaching, whoever leads: nobody is kept from stopping a belt. The station stays stopped until a person resumes; what was shown is kept."""
        return await self._take("end", request)

    async def learn(self, request: Request) -> Response:
        """Takes `{}`: begins to learn from all that was shown, at low priority and in a process of its own; installs nothing.

        Ends teaching, for which whoever leads sends `{"mark": "..."}`: 409 for anybody else meanwhile.
        """
        return await self._take("learn", request)

    async def install(self, request: Request) -> Response:
        """Takes `{"digest": "..."}` of the head that was reported, and `mark` as to learn: installs that very one, on probation."""
        return await self._take("install", request)

    async def forget(self, request: Request) -> Response:
        """Takes `{"label": "..."}`, and `mark` as to learn: removes what was shown of it."""
        return await self._take("forget", request)

    async def _take(self, action: str, request: Request) -> Response:
        body = _BODIES[action]
        try:
            values = body.model_validate_json(await request.body()).model_dump()
        except ValidationError:
            return PlainTextResponse(
                f"Expected an object with {', '.join(body.model_fields) or 'nothing in it'}.\n", 400
            )
        return await self._do(action, who_of(request), values, {})

    async def _do(self, action: str, by: str, values: Mapping[str, str], more: dict[str, Any]) -> Response:
        asked = asyncio.wrap_future(self._teaching.ask(action, by, values))
        try:
            return JSONResponse(await asyncio.wait_for(asked, PATIENCE_S) | more)
        except SorterError as error:
            return PlainTextResponse(f"{error}\n", 409)
        except TimeoutError:
            return PlainTextResponse("The station is busy; try again.\n", 503, {"Retry-After": "2"})
