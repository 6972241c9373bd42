"""What the page may change: a person stops the station, and lets it go on."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

BUTTONS = ("/pause", "/resume")
MOST_BYTES = 200


class _Pressed(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    token: str


class Buttons:
    """Presses the station's switch for whoever has loaded the page: only they know its token, new with each start."""

    def __init__(self, press: Callable[[str, str], object]) -> None:
        self.token = secrets.token_urlsafe(18)
        self._press = press

    async def press(self, request: Request) -> Response:
        """Takes `{"token": "..."}`, the page's own token: 400 where there is none, 403 where it is another's."""
        try:
            pressed = _Pressed.model_validate_json(await request.body())
        except ValidationError:
            return PlainTextResponse('Expected {"token": "..."}.\n', 400)
        if not secrets.compare_digest(pressed.token.encode(errors="replace"), self.token.encode()):
            return PlainTextResponse("Only this page itself may send that.\n", 403)
        who = "somebody" if request.client is None else request.client.host
        self._press(request.url.path.removeprefix("/"), f"{who} on the page")
        return PlainTextResponse("Done.\n")
