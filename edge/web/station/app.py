"""The page of one station, composed of its parts: each has its addresses, and says which of them take a POST.

One event loop in one thread serves them; what waits for a disk waits in a few threads beside it.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from edge.clock import ms
from edge.config import Station
from edge.health.state import INHIBITED_STATES
from edge.interfaces import Clock
from edge.status.live import THUMBNAIL_PX, LiveView
from edge.status.metrics import build_registry, read_disk_free
from edge.web.journal.asking import Asking
from edge.web.journal.counting import Counting
from edge.web.journal.searching import Searching
from edge.web.serving.guard import Guard
from edge.web.serving.visitors import Places
from edge.web.station.actions import Actions, Control
from edge.web.station.bins import Bins
from edge.web.station.health import HealthPage
from edge.web.station.pages import Pages
from edge.web.station.pictures import CROP_QUALITY, BeltEncoder, to_jpeg
from edge.web.station.reading import Entrance, Reading, may_still_look
from edge.web.station.signin import SignIn
from edge.web.station.status import describe_belt, describe_items, describe_status
from edge.web.station.token import PageToken
from edge.web.teaching.teach import NotTaught, Teach

MAX_STREAMS, MAX_STREAMS_PER_ADDRESS = 8, 4
# How often an event stream looks for something new, and how often it tells figures when there is nothing new.
LOOK_S = 0.25
TELL_S = 1.0
DISK_MS = 5000


class Part(Protocol):
    """Some of the page's addresses; `posts` are those that take a POST, with the most bytes of its body."""

    @property
    def posts(self) -> Mapping[str, int]: ...

    def routes(self) -> list[Route]: ...


def build_app(
    live: LiveView,
    station: Station,
    journal_path: Path | None,
    clock: Clock,
    control: Control | None = None,
    token: PageToken | None = None,
) -> Starlette:
    """Return the page of one station; `app.state.closing` ends its streams and its housekeeping.

    `control` is what the page lets people do who know the `token`; without either it only shows.
    """
    sign_in = SignIn(clock, token)
    views = _Views(live, station, journal_path, clock, sign_in)
    pages = Pages({"station": station.name, "controls": "" if control is None else "yes"}, station.language)
    parts: list[Part] = [sign_in, Entrance(station.language)]
    parts += [] if control is None else [Actions(sign_in, control)]
    teaching = None if control is None else control.teaching
    parts += [NotTaught() if teaching is None else Teach(sign_in, teaching)]
    takes = {path: most_bytes for part in parts for path, most_bytes in part.posts.items()}
    asking = Asking(journal_path, clock, views.closing)
    app = Starlette(
        routes=[
            *pages.routes(),
            Route("/api/status", views.status),
            Route("/api/items", views.items),
            *Bins(live, station, journal_path, clock).routes(),
            *HealthPage(live, station, journal_path, clock).routes(),
            *Counting(station, clock, asking).routes(),
            *Searching(station, journal_path, live, asking).routes(),
            Route("/belt.jpg", views.belt),
            Route("/crops/{name}", views.crop),
            Route("/events", views.events),
            Route("/metrics", views.metrics),
            Route("/healthz", views.healthz),
            *(route for part in parts for route in part.routes()),
        ],
        middleware=[
            Middleware(Guard, names=(station.page.host, *station.page.names), takes=takes),
            *([] if station.page.is_open else [Middleware(Reading, sign_in, pages.addresses, pages.files)]),
        ],
        lifespan=views.lifespan,
    )
    app.router.redirect_slashes = False
    app.state.closing = views.closing
    return app


class _Stream(StreamingResponse):
    """Events for one visitor; its place is given back however it ends, also where it never begins."""

    def __init__(self, events: AsyncIterator[str], give_back: Callable[[], None]) -> None:
        super().__init__(events, media_type="text/event-stream")
        self._give_back = give_back

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._give_back()


class _Views:
    """What all routes share."""

    def __init__(
        self, live: LiveView, station: Station, journal_path: Path | None, clock: Clock, sign_in: SignIn
    ) -> None:
        self._live, self._station, self._clock, self._sign_in = live, station, clock, sign_in
        self._stored_in = station.state_folder if journal_path is None else journal_path.parent
        self._belt = BeltEncoder(live, clock)
        self._registry = build_registry(live, station, self._disk_free)
        self._disk: tuple[int, int | None] | None = None
        self._streams = Places(MAX_STREAMS, MAX_STREAMS_PER_ADDRESS)
        self.closing = threading.Event()

    @asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        """Keep the live view digested, looked at or not: what waits in it holds pictures."""
        housekeeping = [asyncio.create_task(work) for work in (self._keep_house(), self._sign_in.keep_up(self.closing))]
        try:
            yield
        finally:
            self.closing.set()
            for work in housekeeping:
                work.cancel()
                with suppress(asyncio.CancelledError):
                    await work

    async def _keep_house(self) -> None:
        while not self.closing.is_set():
            self._live.catch_up()
            await asyncio.sleep(LOOK_S)

    async def status(self, _request: Request) -> Response:
        """JSON: state, faults with what to do, model, counts by bin and by reason, figures of the machine."""
        return JSONResponse(describe_status(self._live.snapshot(), self._station, self._disk_free()))

    async def items(self, _request: Request) -> Response:
        """JSON: the last items, newest first, each with label, score, bin, reason and what became of its stroke."""
        return JSONResponse({"items": describe_items(self._live.snapshot())})

    async def belt(self, request: Request) -> Response:
        """JPEG: the newest picture; what is drawn over it comes as JSON in the header X-Overlay, so that the two fit together.

        204 before the first picture, and with `?after=N` where the picture is still the one whose X-Sequence was N.
        """
        picture = self._belt.picture()
        if picture is None or request.query_params.get("after") == str(picture.sequence):
            return Response(status_code=204)  # nothing new, or nothing yet
        overlay = describe_belt(picture, self._live.snapshot(), self._station)
        headers = {"X-Sequence": str(picture.sequence), "X-Overlay": json.dumps(overlay, separators=(",", ":"))}
        return Response(picture.jpeg, media_type="image/jpeg", headers=headers)

    async def crop(self, request: Request) -> Response:
        """JPEG: the item with that number, as in `/crops/17.jpg`; 404 once it is none of the last ones."""
        number, _, suffix = str(request.path_params["name"]).partition(".")
        pixels = None
        if suffix == "jpg" and number.isascii() and number.isdecimal() and len(number) <= 12:
            pixels = self._live.picture(int(number))
        jpeg = None if pixels is None else to_jpeg(pixels, THUMBNAIL_PX, CROP_QUALITY)
        if jpeg is None:
            return PlainTextResponse("There is no picture of this item (any more).\n", 404)
        return Response(jpeg, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})

    async def events(self, request: Request) -> Response:
        """Server-sent events: what `/api/status` has and, as `items`, the items that changed; at once when something changes.

        503 where too many people look already.
        """
        visitor = str(request.scope.get("visitor", ""))
        if not self._streams.take(visitor):
            return PlainTextResponse("Too many people look already.\n", 503, {"Retry-After": "10"})
        if request.method == "HEAD":
            self._streams.give_back(visitor)
            return Response(media_type="text/event-stream")
        return _Stream(self._stream(request), lambda: self._streams.give_back(visitor))

    async def _stream(self, request: Request) -> AsyncIterator[str]:
        """Tell changes as they come and figures every TELL_S, until the visitor or the station goes."""
        yield "retry: 2000\n\n"
        told: tuple[int, Any] = (0, None)
        tell_at = 0
        while not self.closing.is_set() and may_still_look(request):
            snapshot = self._live.snapshot()
            new = (snapshot.revision, (snapshot.state, snapshot.faults))
            if new != told or snapshot.taken_at >= tell_at:
                status = describe_status(snapshot, self._station, self._disk_free())
                status["items"] = describe_items(snapshot, told[0])
                yield f"data: {json.dumps(status, separators=(',', ':'))}\n\n"
                told, tell_at = new, snapshot.taken_at + ms(TELL_S * 1000)
            await asyncio.sleep(LOOK_S)

    async def metrics(self, _request: Request) -> Response:
        """Figures in Prometheus's text format."""
        return Response(generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def healthz(self, _request: Request) -> Response:
        """JSON: 200 while items are being sorted or could be, 503 otherwise; state and faults either way."""
        snapshot = self._live.snapshot()
        well = snapshot.state not in INHIBITED_STATES
        body = {"state": str(snapshot.state), "faults": [str(fault.kind) for fault in snapshot.faults]}
        return JSONResponse(body, 200 if well else 503)

    def _disk_free(self) -> int | None:
        now = self._clock.now()
        if self._disk is None or now - self._disk[0] >= ms(DISK_MS):
            self._disk = (now, read_disk_free(self._stored_in))
        return self._disk[1]
