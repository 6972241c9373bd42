"""A page for one purpose: a person draws the region over the camera's picture while calibrating.

It lives for as long as it is asked for, under an address that only the terminal shows; nothing else can be changed here.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from edge.errors import SorterError
from edge.types import Box, Image
from edge.web.assets import asset_routes, read_markup
from edge.web.serving.guard import Guard
from edge.web.station.pictures import BELT_QUALITY, to_jpeg
from edge.web.translating import Translator
from edge.words import ENGLISH

LEAST = 32
MOST_BYTES = 300
PICTURE_WIDTH_PX = 1280


class _Drawn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    x: int = Field(ge=0)
    y: int = Field(ge=0)
    width: int = Field(ge=LEAST)
    height: int = Field(ge=LEAST)


class RegionPage:
    """The page and what was drawn on it.

    Attributes:
        drawn: the region, once a person has said that it is this one.
        failure: why no picture can be shown.

    When one of both is known it ends its server (see `PageServer`).
    """

    def __init__(
        self,
        name: str,
        size: tuple[int, int],
        start: Box,
        take: Callable[[], Image],
        names: tuple[str, ...] = (),
        language: str = ENGLISH,
    ) -> None:
        """`take` returns the camera's newest picture; `names` are those of this machine (see `Guard`).

        `language` is the station's.
        """
        self.drawn: Box | None = None
        self.failure: SorterError | None = None
        self._size, self._take = size, take
        self.path = f"/{secrets.token_urlsafe(9)}/"
        region = {"x": start.x, "y": start.y, "width": start.width, "height": start.height}
        self._markup, self._translator = read_markup("region/region.html"), Translator(language)
        width, height = map(str, size)
        self._values = {"station": name, "width": width, "height": height, "region": json.dumps(region)}
        self.app = Starlette(
            routes=[
                Route(self.path, self._show),
                Route(f"{self.path}picture.jpg", self._picture),
                Route(f"{self.path}region", self._draw, methods=["POST"]),
                *self._translator.routes(),
                *asset_routes("region"),
            ],
            middleware=[Middleware(Guard, names=names, takes={f"{self.path}region": MOST_BYTES})],
        )
        self.app.router.redirect_slashes = False
        self.app.state.closing = threading.Event()

    async def _show(self, request: Request) -> Response:
        return self._translator.answer(request, self._markup, self._values)

    async def _picture(self, _request: Request) -> Response:
        try:
            jpeg = to_jpeg(self._take(), PICTURE_WIDTH_PX, BELT_QUALITY)
        except SorterError as error:
            self.failure = error
            self.app.state.closing.set()
            return PlainTextResponse(f"{error}\n", 503)
        if jpeg is None:
            return PlainTextResponse("no picture\n", 503)
        return Response(jpeg, media_type="image/jpeg", headers={"Cache-Control": "no-store"})

    async def _draw(self, request: Request) -> Response:
        width, height = self._size
        try:
            drawn = _Drawn.model_validate_json(await request.body())
        except ValidationError:
            return PlainTextResponse(f"Draw at least {LEAST} x {LEAST} pixels.", 400)
        if drawn.x + drawn.width > width or drawn.y + drawn.height > height:
            return PlainTextResponse(f"That reaches out of the picture of {width} x {height}.", 400)
        self.drawn = Box(drawn.x, drawn.y, drawn.width, drawn.height)
        self.app.state.closing.set()
        return PlainTextResponse("Taken. Go on at the terminal; this page can be closed.")
