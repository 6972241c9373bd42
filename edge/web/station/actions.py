"""What people may change on the page; each does what the command line or a button at the station does, and is journalled."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from edge.errors import ControlError
from edge.types import StrokeOutcome
from edge.web.station.signin import Endpoint, SignIn, who_of
from edge.web.station.words import RefusedText
from edge.web.teaching.teach import Teaching

MOST_BYTES = 300
# The actuation thread looks several times as often.
JOG_LOOK_S = 0.02
JOG_LOOKS = 50


class Moving(Protocol):
    """A stroke that was asked for by hand."""

    @property
    def outcome(self) -> StrokeOutcome:
        """What became of it; pending as long as nobody has begun it."""
        ...


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """The active model and the one before, as `NAME-VERSION`, empty where there is none; `generation` counts changes."""

    current: str
    previous: str
    generation: int


class Control(Protocol):
    """What the station does for people on its page; `by` is who asks, what can't be done is a ControlError."""

    @property
    def teaching(self) -> Teaching | None:
        """What lets people teach the station; None where it can't be taught."""
        ...

    def press(self, action: str, by: str) -> object: ...
    def reset(self, by: str) -> object: ...
    def empty(self, bin_name: str, by: str) -> object: ...
    def jog(self, name: str, position: str, by: str) -> Moving: ...
    def models(self) -> ModelChoice: ...
    def roll_back(self, generation: int, by: str) -> ModelChoice: ...


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Nothing(_Body):
    pass


class _Emptied(_Body):
    bin: str


class _Jog(_Body):
    actuator: str
    position: str = ""


class _RollBack(_Body):
    generation: int = Field(ge=0)


AnyBody = TypeVar("AnyBody", bound=_Body)


class Actions:
    """The addresses of what `control` does."""

    def __init__(self, sign_in: SignIn, control: Control) -> None:
        self._control = control
        self._store = asyncio.Lock()
        acting = {
            "/pause": self.pause,
            "/resume": self.resume,
            "/reset": self.reset,
            "/emptied": self.emptied,
            "/jog": self.jog,
            "/roll-back": self.roll_back,
        }
        self._endpoints: Mapping[str, Endpoint] = {path: sign_in.guarded(endpoint) for path, endpoint in acting.items()}
        self.posts: Mapping[str, int] = dict.fromkeys(acting, MOST_BYTES)

    def routes(self) -> list[Route]:
        """Return the addresses; what changes something is for those who signed in."""
        changing = [Route(path, endpoint, methods=["POST"]) for path, endpoint in self._endpoints.items()]
        return [*changing, Route("/api/models", self.models)]

    async def pause(self, request: Request) -> Response:
        """Takes `{}`; stops the station as `sorter pause` does, until a person resumes."""
        await _read(request, _Nothing)
        self._control.press("pause", who_of(request))
        return JSONResponse({"done": True})

    async def resume(self, request: Request) -> Response:
        """Takes `{}`; lets the station go on as `sorter resume` does: things move at once. Ends no emergency stop."""
        await _read(request, _Nothing)
        self._control.press("resume", who_of(request))
        return JSONResponse({"done": True})

    async def reset(self, request: Request) -> Response:
        """Takes `{}`; ends faults that last until somebody has seen to them, as the reset button does; no emergency stop."""
        await _read(request, _Nothing)
        with _refusing():
            self._control.reset(who_of(request))
        return JSONResponse({"done": True})

    async def emptied(self, request: Request) -> Response:
        """Takes `{"bin": "glass"}`: a person has emptied it, and its items are counted from 0."""
        asked = await _read(request, _Emptied)
        with _refusing():
            self._control.empty(asked.bin, who_of(request))
        return JSONResponse({"done": True})

    async def jog(self, request: Request) -> Response:
        """Takes `{"actuator": "flap", "position": ""}`: it goes there and comes back, once, and only at a station that a person stopped."""
        asked = await _read(request, _Jog)
        with _refusing():
            moving = self._control.jog(asked.actuator, asked.position, who_of(request))
        for _ in range(JOG_LOOKS):
            if moving.outcome is not StrokeOutcome.PENDING:
                break
            await asyncio.sleep(JOG_LOOK_S)
        if moving.outcome is StrokeOutcome.FIRED:
            return JSONResponse({"done": True})
        raise HTTPException(
            409, RefusedText.NOT_DRIVEN if moving.outcome is StrokeOutcome.FAILED else RefusedText.NOT_MOVED
        )

    async def models(self, _request: Request) -> Response:
        """JSON: the active model, and the one before, to which a person may come back."""
        async with self._store:
            with _refusing():
                choice = await run_in_threadpool(self._control.models)
        return JSONResponse(asdict(choice))

    async def roll_back(self, request: Request) -> Response:
        """Takes `{"generation": 7}` as `/api/models` tells it; comes back to the model before as `sorter model rollback` does."""
        asked = await _read(request, _RollBack)
        async with self._store:
            with _refusing():
                choice = await run_in_threadpool(self._control.roll_back, asked.generation, who_of(request))
        return JSONResponse(asdict(choice))


async def _read(request: Request, expected: type[AnyBody]) -> AnyBody:
    try:
        return expected.model_validate_json(await request.body())
    except ValidationError:
        fields = ", ".join(f'"{name}": ...' for name in expected.model_fields)
        raise HTTPException(400, f"Expected {{{fields}}}.") from None


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except ControlError as error:
        raise HTTPException(409, str(error)) from None
