"""Counts and durations over time, as the page "Today and this week" draws them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edge.config import Station
from edge.interfaces import Clock
from edge.journal.reading import Category
from edge.stats.series import Kind, Step, read_series, steps_between
from edge.stats.timing import read_timing
from edge.types import REASON_TEXT
from edge.web.journal.asking import Answer, Asking, BadQuestionError, Instant, Question, local_time, question_of


class Part(StrEnum):
    """What items are counted by; `home` is the bin that their label belongs in, wherever they went."""

    BIN = "bin"
    HOME = "home"
    LABEL = "label"
    REASON = "reason"
    MODEL = "model"


def _listed(text: Any) -> Any:
    return text.split(",") if isinstance(text, str) else text


class _Span(Question):
    """From when until when, in steps of what length."""

    since: Instant | None = Field(default=None, alias="from")
    until: Instant | None = Field(default=None, alias="to")
    step: Step = Step.HOUR

    def begins(self, now: float) -> list[float]:
        """Return when the steps begin and the last one ends; today where nothing else is said."""
        today = datetime.fromtimestamp(now).astimezone().replace(tzinfo=None, hour=0, minute=0, second=0, microsecond=0)
        since = today.timestamp() if self.since is None else self.since
        tomorrow = (today + timedelta(days=1)).timestamp()
        until = tomorrow if self.until is None else self.until
        if since >= until:
            raise BadQuestionError("from, to: expected a time before the other")
        return steps_between(since, until, self.step)


class _Counts(_Span):
    by: Annotated[tuple[Part, ...], BeforeValidator(_listed), Field(min_length=1, max_length=len(Part))] = (
        Part.BIN,
        Part.REASON,
    )


class Counting:
    """Answers with sums of the journal of one station."""

    def __init__(self, station: Station, clock: Clock, asking: Asking) -> None:
        self._homes: Final[Mapping[str, str]] = {label: where.name for where in station.bins for label in where.labels}
        self._clock, self._asking = clock, asking

    def routes(self) -> list[Route]:
        """Return the addresses."""
        return [Route("/api/counts", self.counts), Route("/api/timing", self.timing)]

    async def counts(self, request: Request) -> Response:
        """JSON: items in each step of time, from the sums of whole hours: as many as `sorter stats` counts.

        `?from=2026-05-01&to=2026-05-08&step=hour&by=bin,reason`: dates or times of the station, today unless given; steps
        of an `hour`, `day` or `week`, at most 400; by `bin`, `home` (the bin of the label), `label`, `reason`, `model`.
        """
        now = self._clock.wall_time()

        def ask() -> Answer:
            question = question_of(request, _Counts)
            return partial(self._count, question=question, begins=question.begins(now), now=now)

        return await self._asking.answer(
            ask, self._describe([now], now) | {"total": 0, "counts": [], "recorded": False}
        )

    async def timing(self, request: Request) -> Response:
        """JSON: how long deciding took, and the time left until the strokes, in each step of time, ms.

        `?from=...&to=...&step=...` as above. From a sample of at most 20,000 rows that are still there; null where none is.
        """
        now = self._clock.wall_time()

        def ask() -> Answer:
            begins = question_of(request, _Span).begins(now)
            return lambda connection: {
                **self._describe(begins, now),
                "timing": [step.describe() for step in read_timing(connection, begins)],
            }

        return await self._asking.answer(ask, self._describe([now], now) | {"timing": []})

    def _count(
        self, connection: sqlite3.Connection, question: _Counts, begins: Sequence[float], now: float
    ) -> dict[str, Any]:
        series = read_series(connection, begins, self._kind_of(question.by))
        counts = [
            {**dict(zip(question.by, kind, strict=True)), "items": items}
            for kind, items in sorted(series.counts.items())
        ]
        reasons = {str(count["reason"]) for count in counts} if Part.REASON in question.by else set()
        return {
            **self._describe(begins, now),
            "total": sum(sum(items) for items in series.counts.values()),
            "counts": counts,
            "reasons": {reason.value: text for reason, text in REASON_TEXT.items() if reason.value in reasons},
            "recorded": True,
        }

    def _kind_of(self, by: Sequence[Part]) -> Callable[[Category], Kind]:
        parts: dict[Part, Callable[[Category], str]] = {
            Part.BIN: lambda category: category.bin,
            Part.HOME: lambda category: self._homes.get(category.label, ""),
            Part.LABEL: lambda category: category.label,
            Part.REASON: lambda category: category.reason,
            Part.MODEL: lambda category: category.model,
        }
        return lambda category: tuple(parts[part](category) for part in by)

    def _describe(self, begins: Sequence[float], now: float) -> dict[str, Any]:
        times = [local_time(begin) for begin in begins]
        return {"now": local_time(now, "seconds"), "times": times[:-1], "until": times[-1]}
