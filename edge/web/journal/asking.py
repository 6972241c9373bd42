"""Questions to the journal and their answers as JSON: in threads, few at a time and for a bounded time, so that no disk is waited for on the event loop."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from edge.clock import NS_PER_S
from edge.errors import JournalError
from edge.interfaces import Clock
from edge.journal.reading import open_for_reading
from edge.stats.series import TooMuchError

AT_ONCE = 2
PATIENCE_S = 5
OPERATIONS = 50_000  # of SQLite's machine between two looks at the time, about a millisecond
MOST_TOLD = 60  # characters of what can't be understood

Answer = Callable[[sqlite3.Connection], dict[str, Any]]
QuestionT = TypeVar("QuestionT", bound="Question")
Result = TypeVar("Result")


class Question(BaseModel):
    """What an address's query asks for; every key is known and checked."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


def _instant(text: Any) -> Any:
    if not isinstance(text, str):
        return text
    try:
        return datetime.fromisoformat(text).astimezone().timestamp()
    except (ValueError, OverflowError, OSError):
        raise ValueError("expected a date, or a date and time, such as 2026-05-01T14:30") from None


Instant = Annotated[float, BeforeValidator(_instant)]
"""Seconds since the epoch, given as ISO 8601; in the station's local time where it does not say otherwise."""


class BadQuestionError(Exception):
    """An address's query that can't be understood, in a sentence."""


def parse(kind: type[QuestionT], query: Mapping[str, str]) -> QuestionT:
    """Return the question in an address's query.

    Raises:
        BadQuestionError: it can't be understood.
    """
    try:
        return kind.model_validate(dict(query))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the address"
        if first["type"] == "extra_forbidden":
            known = ", ".join(field.alias or name for name, field in kind.model_fields.items())
            raise BadQuestionError(f"{where[:MOST_TOLD]!r}: not known; expected one of {known}") from None
        told = "" if isinstance(first["input"], dict) else f", received {str(first['input'])[:MOST_TOLD]!r}"
        message = first["msg"].removeprefix("Value error, ")
        raise BadQuestionError(f"{where}: {message[:1].lower()}{message[1:]}{told}") from None


class Asking:
    """Asks one journal; where there is none yet, `nothing` is the answer. `closing` ends what is being asked."""

    def __init__(self, journal: Path | None, clock: Clock, closing: threading.Event) -> None:
        self._journal, self._clock, self._closing = journal, clock, closing
        self._places = asyncio.Semaphore(AT_ONCE)

    async def answer(self, ask: Callable[[], Answer], nothing: Mapping[str, Any]) -> Response:
        """Answer with what `ask` says is to be read: 400 where that can't be understood, 503 where the journal can't be read."""
        try:
            read = ask()
            return JSONResponse(await self.in_a_thread(lambda: self._read(read, nothing)))
        except (BadQuestionError, TooMuchError) as error:
            return JSONResponse({"error": "question", "detail": f"{error}."}, 400)
        except _TooSlowError:
            return JSONResponse({"error": "slow", "detail": "It took too long: ask for less time."}, 503)
        except JournalError as error:
            return JSONResponse({"error": "journal", "detail": f"{error}."}, 503)

    async def in_a_thread(self, work: Callable[[], Result]) -> Result:
        """Wait for work that blocks, but not on the event loop."""
        async with self._places:
            return await run_in_threadpool(work)

    def _read(self, read: Answer, nothing: Mapping[str, Any]) -> dict[str, Any]:
        if self._journal is None or not self._journal.exists():
            return dict(nothing)
        give_up_at = self._clock.now() + PATIENCE_S * NS_PER_S
        gave_up = False

        def look() -> bool:
            nonlocal gave_up
            gave_up = self._closing.is_set() or self._clock.now() > give_up_at
            return gave_up

        try:
            with open_for_reading(self._journal) as connection:
                connection.set_progress_handler(look, OPERATIONS)
                return read(connection)
        except JournalError:
            if gave_up:
                raise _TooSlowError from None
            raise


class _TooSlowError(Exception):
    """It took too long, or the page is being closed."""


def question_of(request: Request, kind: type[QuestionT]) -> QuestionT:
    """Return the question that a request asks.

    Raises:
        BadQuestionError: it can't be understood.
    """
    return parse(kind, request.query_params)


def local_time(wall_time: float, timespec: str = "minutes") -> str | None:
    """Return seconds since the epoch in the station's local time, ISO 8601; None where that is no date."""
    try:
        return datetime.fromtimestamp(wall_time).astimezone().isoformat(timespec=timespec)
    except (ValueError, OverflowError, OSError):
        return None
