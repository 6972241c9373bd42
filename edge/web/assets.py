"""The files that browsers load besides a page's markup; all are read at once, none while a page is served."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

FOLDER: Final = Path(__file__).parent / "assets"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def read_markup(path: str) -> str:
    """Return a page's markup, by its path below FOLDER."""
    return (FOLDER / path).read_text("utf-8")


def asset_routes(own: str) -> list[Route]:
    """Return the addresses of what all pages share and of what is in the folder `own`, each file by its bare name."""
    contents = {
        f"/{path.name}": (path.read_bytes(), _TYPES[path.suffix])
        for folder in (FOLDER, FOLDER / own)
        for path in sorted(folder.iterdir())
        if path.suffix in _TYPES
    }

    async def asset(request: Request) -> Response:
        """A part of the page."""
        content, media_type = contents[request.url.path]
        return Response(content, media_type=media_type, headers={"Cache-Control": "no-cache"})

    return [Route(address, asset) for address in contents]
