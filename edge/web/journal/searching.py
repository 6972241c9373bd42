"""Items of the journal, found by what is asked for, and the pictures that are kept of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from edge.bundle.kept_names import kept_item_of
from edge.config import RESIDUAL, Station
from edge.journal.reading import read_categories
from edge.journal.searching import Search, search_items
from edge.status.live import LiveView
from edge.system.files import read_regular
from edge.types import REASON_TEXT
from edge.web.journal.asking import Answer, Asking, Instant, Question, question_of
from edge.web.journal.found import describe_found
from edge.web.station.status import run_mark

ITEMS, MOST_ITEMS = 20, 50
MOST_PICTURE_BYTES = 5_000_000

Name = Annotated[str, Field(max_length=200)]
Share = Annotated[float, Field(ge=0, le=1)]


class _Found(Question):
    since: Instant | None = Field(default=None, alias="from")
    until: Instant | None = Field(default=None, alias="to")
    bin: Name | None = None
    label: Name | None = None
    reason: Name | None = None
    least: Share | None = None
    most: Share | None = None
    before: Annotated[int, Field(ge=0, lt=1 << 62)] | None = None
    limit: Annotated[int, Field(ge=1, le=MOST_ITEMS)] = ITEMS

    def search(self) -> Search:
        """Return what the journal is asked for."""
        return Search(self.since, self.until, self.bin, self.label, self.reason, self.least, self.most, self.before)


class Searching:
    """Answers with items of one station's journal; the newest have pictures even where none is kept."""

    def __init__(self, station: Station, journal: Path | None, live: LiveView, asking: Asking) -> None:
        self._station, self._live, self._asking = station, live, asking
        self._pictures = None if journal is None else journal.parent / "pictures"

    def routes(self) -> list[Route]:
        """Return the addresses."""
        return [
            Route("/api/search", self.search),
            Route("/api/choices", self.choices),
            Route("/kept/{name}", self.kept),
        ]

    async def search(self, request: Request) -> Response:
        """JSON: items of the journal, newest first: what was seen, the threshold it missed, the stroke as planned and fired.

        `?from=2026-05-01&to=...&bin=...&label=...&reason=...&least=0.4&most=0.6&limit=20`, each of which may be left out.
        `before` in the answer goes on from there with `&before=`; null where there is nothing further back. With a score
        an answer may hold fewer items than the limit, even none: it looks through 20,000 rows.
        """

        def ask() -> Answer:
            question = question_of(request, _Found)
            return lambda connection: self._search(connection, question)

        return await self._asking.answer(ask, {"items": [], "before": None, "recorded": False})

    async def choices(self, request: Request) -> Response:
        """JSON: bins, labels and reasons that can be searched for, and the folder of the kept pictures."""
        bins = [where.name for where in self._station.bins]
        labels = {label for where in self._station.bins for label in where.labels}
        fixed = {
            "bins": bins,
            "reasons": [{"reason": reason.value, "text": text} for reason, text in REASON_TEXT.items()],
            "pictures": str(self._pictures or ""),
        }

        def ask() -> Answer:
            question_of(request, Question)
            return lambda connection: {**fixed, "labels": sorted(labels | _labels(connection))}

        return await self._asking.answer(ask, {**fixed, "labels": sorted(labels)})

    async def kept(self, request: Request) -> Response:
        """A kept picture (JPEG) by its name, as in `/kept/0123abcd-00000017-1.jpg`; 404 where there is none (any more)."""
        name = str(request.path_params["name"])
        content = None
        if self._pictures is not None and kept_item_of(name):  # a name, and no way out of the folder
            path = self._pictures / name
            content = await self._asking.in_a_thread(lambda: _read_picture(path))
        if content is None:
            return PlainTextResponse("There is no such picture (any more).\n", 404)
        media_type = "image/png" if name.endswith(".png") else "image/jpeg"
        return Response(content, media_type=media_type, headers={"Cache-Control": "private, max-age=3600"})

    def _search(self, connection: sqlite3.Connection, question: _Found) -> dict[str, Any]:
        found = search_items(connection, question.search(), question.limit)
        snapshot = self._live.snapshot()
        pictured = {
            (
                item.decision.item_id,
                item.decision.decided_at,
            ): f"/crops/{item.decision.item_id}.jpg?run={run_mark(snapshot)}"
            for item in snapshot.items
            if item.decision.item_id in snapshot.pictured
        }
        items = [
            {
                **describe_found(item, self._pictures, pictured.get((item.item, item.decided_at or 0), "")),
                "min_score_today": self._min_score_today(item.label or "", snapshot.thresholds),
            }
            for item in found.items
        ]
        return {"items": items, "before": found.before, "recorded": True}

    def _min_score_today(self, label: str, by_label: Mapping[str, float]) -> float | None:
        """Return what an item with that label would have to reach now; None where its bin is residual, or nobody knows."""
        where = next((where for where in self._station.bins if label in where.labels), None)
        if where is None or where.name == RESIDUAL:
            return None
        return by_label.get(label) if where.min_purity is None else where.min_purity


def _labels(connection: sqlite3.Connection) -> AbstractSet[str]:
    if connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'categories'").fetchone() is None:
        return frozenset()
    return {category.label for _, category in read_categories(connection)} - {""}


def _read_picture(path: Path) -> bytes | None:
    try:
        return read_regular(path, MOST_PICTURE_BYTES, follow=False)
    except (OSError, ValueError):
        return None
