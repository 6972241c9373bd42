"""The page of `sorter label`: a person says what is on pictures. Only who knows its address, which is new with each start, sees it."""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from edge.bundle.photo import PhotoError
from edge.bundle.pictures import encode_jpeg, thumbnail
from edge.labelling.labels import LabelsError
from edge.labelling.pictures import PictureFolder
from edge.labelling.session import LabellingSession
from edge.system.text import harmless
from edge.web.assets import asset_routes, read_markup
from edge.web.serving.guard import Guard
from edge.web.translating import Translator

MOST_AT_ONCE = 60
MOST_BYTES = 1 << 17
GRID = 24
SIZES_PX = {"small": 280, "large": 1600}
QUALITY = 85
# Between two pictures that are looked at in the background, so that whoever labels is answered first.
REST_S = 0.01


class _Said(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    pictures: list[str] = Field(min_length=1, max_length=MOST_AT_ONCE)
    label: str = Field(max_length=32)


class LabelPage:
    """The page of one session (see `PageServer`): one picture at a time, or many that look alike."""

    def __init__(self, session: LabellingSession, names: tuple[str, ...] = ()) -> None:
        """`names` are those of this machine (see `Guard`)."""
        self._session = session
        self._markup, self._translator = read_markup("label/label.html"), Translator()
        self._values = {"folder": harmless(session.pictures.folder.name or str(session.pictures.folder))}
        self.path = f"/{secrets.token_urlsafe(18)}/"
        at = self.path
        self.app = Starlette(
            routes=[
                Route(at, self._show),
                Route(f"{at}next", self._next),
                Route(f"{at}picture", self._picture),
                Route(f"{at}many", self._many),
                Route(f"{at}photo", self._photo),
                Route(f"{at}label", self._label, methods=["POST"]),
                Route(f"{at}undo", self._undo, methods=["POST"]),
                *self._translator.routes(),
                *asset_routes("label"),
            ],
            middleware=[Middleware(Guard, names=names, takes={f"{at}label": MOST_BYTES, f"{at}undo": 2})],
            exception_handlers={LabelsError: _refuse},
            lifespan=self._look_ahead,
        )
        # One at a time of each kind: the model belongs to one thread at a time, and a large photo takes 360 MB.
        self._looking, self._showing = asyncio.Lock(), asyncio.Lock()
        self.app.router.redirect_slashes = False
        self.app.state.closing = threading.Event()

    @asynccontextmanager
    async def _look_ahead(self, _app: Starlette) -> AsyncIterator[None]:
        """Look at pictures in the background, so that they can be suggested for and compared."""
        looking = asyncio.create_task(self._look_at_all())
        try:
            yield
        finally:
            looking.cancel()
            with suppress(asyncio.CancelledError):
                await looking

    async def _look_at_all(self) -> None:
        while not self.app.state.closing.is_set():
            name = self._session.next_to_look_at()
            if name is not None:
                await self._look_at(name)
            await asyncio.sleep(1 if name is None else REST_S)

    async def _look_at(self, name: str) -> None:
        """Look at a picture, unless that was done; others are answered meanwhile."""
        async with self._looking:
            if not self._session.proposals.is_settled(name):
                self._session.proposals.take_in(name, await run_in_threadpool(self._session.proposals.look_at, name))

    async def _show(self, request: Request) -> Response:
        """The page; pictures that have come since are found."""
        with suppress(PhotoError):  # they are gone: those of before are named when they are asked for
            self._session.pictures.look()
        return self._translator.answer(request, self._markup, self._values)

    async def _next(self, request: Request) -> Response:
        """The next picture without a label, `?after=NAME`."""
        session, after = self._session, request.query_params.get("after")
        session.look_again()
        while (name := session.next_after(after)) is not None and name not in session.proposals:
            await self._look_at(name)
        return self._answer_one(name)

    async def _picture(self, request: Request) -> Response:
        """The picture `?name=NAME`, whatever is said of it."""
        self._session.look_again()
        name = request.query_params.get("name", "")
        if name not in self._session.pictures:
            return self._answer_one(None)
        await self._look_at(name)
        return self._answer_one(name)

    async def _many(self, request: Request) -> Response:
        """Many pictures: `?like=NAME` without a label, `?label=LABEL`, or `?disputed=1`; `shown` are the most alike of them."""
        session, asked = self._session, request.query_params
        session.look_again()
        if "disputed" in asked:
            names = session.disputed()[:MOST_AT_ONCE]
        elif "label" in asked:
            names = session.labelled_as(asked["label"])[-MOST_AT_ONCE:]
        else:
            names = await self._alike(asked.get("like"))
        suggested = next(iter(session.suggest(names[0])), None) if names and not session.said_of(names[0]) else None
        return JSONResponse(
            {
                "pictures": [self._describe(name) for name in names],
                "suggestions": [] if suggested is None else [asdict(suggested)],
                "state": self._state(),
            }
        )

    async def _alike(self, name: str | None) -> list[str]:
        """Pictures that look like this one, all of which can be shown."""
        while True:
            names = self._session.alike(name, GRID)
            unseen = next((other for other in names if other not in self._session.proposals), None)
            if unseen is None:
                return names
            await self._look_at(unseen)

    async def _photo(self, request: Request) -> Response:
        """JPEG of the picture `?name=NAME`, `&size=small` or `large`: made anew, whatever is in the file."""
        name, size = request.query_params.get("name", ""), request.query_params.get("size", "large")
        if name not in self._session.pictures or size not in SIZES_PX:
            return PlainTextResponse("There is no such picture.\n", 404)
        try:
            async with self._showing:
                jpeg = await run_in_threadpool(_show_smaller, self._session.pictures, name, SIZES_PX[size])
        except PhotoError as error:
            self._session.pictures.unusable[name] = str(error)
            return PlainTextResponse(f"{name}: {error}\n", 404)
        return Response(jpeg, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})

    async def _label(self, request: Request) -> Response:
        """Takes `{"pictures": [NAME, ...], "label": LABEL}`; an empty label takes this person's back."""
        try:
            said = _Said.model_validate_json(await request.body())
        except ValidationError:
            return PlainTextResponse('Expected {"pictures": [...], "label": "..."}.\n', 400)
        self._session.label(said.pictures, said.label)
        return JSONResponse({"state": self._state()})

    async def _undo(self, request: Request) -> Response:
        """Takes `{}`; answers which pictures are as they were before."""
        await request.body()
        return JSONResponse({"pictures": self._session.undo(), "state": self._state()})

    def _answer_one(self, name: str | None) -> Response:
        picture = None if name is None else self._describe(name)
        suggestions = [] if name is None else self._session.suggest(name)
        return JSONResponse(
            {
                "picture": picture,
                "suggestions": [asdict(one) for one in suggestions],
                "state": self._state(),
            }
        )

    def _describe(self, name: str) -> dict[str, Any]:
        said = [{"by": entry.by, "label": entry.label} for entry in self._session.said_of(name)]
        return {"name": name, "said": said, "looks": list(self._session.looks_of(name))}

    def _state(self) -> dict[str, Any]:
        session, progress = self._session, self._session.progress()
        return {
            "by": session.by,
            "labels": list(session.labels),
            "counts": dict(progress.labels),
            "total": progress.total,
            "labelled": progress.labelled,
            "mine": progress.mine,
            "disputed": progress.disputed,
            "looked_at": len(session.proposals),
            "unusable": _some(session.pictures.unusable),
            "can_undo": session.can_undo,
        }


def _show_smaller(pictures: PictureFolder, name: str, size: int) -> bytes:
    return encode_jpeg(thumbnail(pictures.load(name, size), size), QUALITY)


def _some(unusable: dict[str, str], most: int = 20) -> dict[str, Any]:
    first: Sequence[tuple[str, str]] = sorted(unusable.items())[:most]
    return {"count": len(unusable), "first": [harmless(f"{name}: {why}") for name, why in first]}


async def _refuse(_request: Request, error: Exception) -> Response:
    return PlainTextResponse(f"{error}\n", 409)
