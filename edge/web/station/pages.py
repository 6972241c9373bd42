"""The pages and their common frame, in the language of whoever looks."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edge.web.assets import asset_routes, read_markup
from edge.words import choose_language, languages, texts, translate

LANGUAGE_COOKIE: Final = "language"
_TEXT = re.compile(r"\[\[(.+?)\]\]", re.DOTALL)


class PageName(NamedTuple):
    """A page: its address, its name in the menu, and its files `NAME.html` and `NAME.js` among the assets."""

    address: str
    title: str
    name: str


PAGES: Final = (PageName("/", "Now", "now"),)


class Pages:
    """Answers with the pages; `values` are put in place of `{{name}}`, translations in place of `[[English]]`."""

    def __init__(self, values: Mapping[str, str]) -> None:
        frame = read_markup("station/frame.html")
        self._markup = {
            page.address: _fill(frame, {**values, "title": page.title, "name": page.name}).replace(
                "{{body}}", read_markup(f"station/{page.name}.html")
            )
            for page in PAGES
        }

    def routes(self) -> list[Route]:
        """Return the addresses of the pages, of their translations and of their files."""
        return [
            *(Route(page.address, self.page) for page in PAGES),
            Route("/words.js", self.words),
            *asset_routes("station"),
        ]

    async def page(self, request: Request) -> Response:
        """A page, in the language that the browser asks for."""
        language = language_of(request)
        shown = self._markup[request.url.path].replace("{{language}}", language)
        shown = shown.replace("{{menu}}", _menu(request.url.path)).replace("{{languages}}", _choices(language))
        shown = _TEXT.sub(lambda match: html.escape(translate(match[1], language)), shown)
        return Response(shown, media_type="text/html", headers={"Vary": "Accept-Language, Cookie"})

    async def words(self, request: Request) -> Response:
        """The translations for the pages' scripts."""
        language = language_of(request)
        told = f"export const language = {json.dumps(language)};\nexport const words = {json.dumps(dict(texts(language)))};\n"
        return Response(told, media_type="text/javascript", headers={"Vary": "Accept-Language, Cookie"})


def language_of(request: Request) -> str:
    """Return the language that a visitor chose on the page, else what the browser asks for."""
    return choose_language(request.cookies.get(LANGUAGE_COOKIE, ""), request.headers.get("accept-language", ""))


def _fill(markup: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        markup = markup.replace(f"{{{{{name}}}}}", html.escape(value))
    return markup


def _menu(address: str) -> str:
    return "".join(
        f'<a href="{page.address}"{" aria-current=page" if page.address == address else ""}>[[{page.title}]]</a>'
        for page in PAGES
    )


def _choices(language: str) -> str:
    return "".join(
        f'<option value="{code}"{" selected" if code == language else ""}>{html.escape(name)}</option>'
        for code, name in languages().items()
    )
