"""What people may change on the page; each does what the command line does, and returns at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from edge.web.station.signin import SignIn, who_of

MOST_BYTES = 300


@dataclass(frozen=True, slots=True)
class Control:
    """What the station does for people on its page.

    Attributes:
        press: takes "pause" or "resume", and who asks.
    """

    press: Callable[[str, str], object]


class Actions:
    """The addresses of what `control` does."""

    posts: Mapping[str, int] = dict.fromkeys(("/pause", "/resume"), MOST_BYTES)

    def __init__(self, sign_in: SignIn, control: Control) -> None:
        self._sign_in, self._control = sign_in, control

    def routes(self) -> list[Route]:
        """Return the addresses, each for those who signed in."""
        return [
            Route(path, self._sign_in.guarded(endpoint), methods=["POST"])
            for path, endpoint in (("/pause", self.pause), ("/resume", self.resume))
        ]

    async def pause(self, request: Request) -> Response:
        """Takes `{}`; stops the station as `sorter pause` does, until a person resumes."""
        return await self._press("pause", request)

    async def resume(self, request: Request) -> Response:
        """Takes `{}`; lets the station go on as `sorter resume` does: things move at once. Ends no emergency stop."""
        return await self._press("resume", request)

    async def _press(self, action: str, request: Request) -> Response:
        await request.body()
        self._control.press(action, who_of(request))
        return JSONResponse({"done": action})
