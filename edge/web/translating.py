"""Pages in the language of whoever looks: the one chosen there, else what the browser asks for, else the station's."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edge.words import ENGLISH, choose_language, languages, texts, translate

COOKIE: Final = "language"
_PLACE = re.compile(r"\[\[(.+?)\]\]|\{\{(\w+)\}\}", re.DOTALL)
_COMMAND = re.compile("`([^`]+)`")
_VARY: Final = {"Vary": "Accept-Language, Cookie"}


class Translator:
    """Answers with pages and with the translations for their scripts; `otherwise` is for who asks for no known language."""

    def __init__(self, otherwise: str = ENGLISH) -> None:
        self._otherwise = otherwise
        for language in languages():
            texts(language)  # they are kept: nothing is read while a page is served

    def routes(self) -> list[Route]:
        """Return the address from which `translate.js` takes what it says."""
        return [Route("/words.js", self.words)]

    def answer(self, request: Request, markup: str, values: Mapping[str, str]) -> Response:
        """Return a page: with translations in place of `[[English with a {name}]]`, and values in place of `{{name}}`."""
        language = self._language_of(request)
        markup = markup.replace("{{languages}}", _choices(language)).replace("{{language}}", language)

        def put_in(place: re.Match[str]) -> str:
            english, name = place.groups()
            if name:
                return html.escape(values[name])
            said = html.escape(translate(" ".join(english.split()), language, **values))
            return said if place.string[place.start() - 1] == '"' else _COMMAND.sub(r"<code>\1</code>", said)

        shown = _PLACE.sub(put_in, markup)
        return Response(shown, media_type="text/html", headers=_VARY)

    async def words(self, request: Request) -> Response:
        """The translations for the pages' scripts."""
        language = self._language_of(request)
        told = f"export const language = {json.dumps(language)};\nexport const words = {json.dumps(dict(texts(language)), ensure_ascii=False)};\n"
        return Response(told, media_type="text/javascript", headers=_VARY)

    def _language_of(self, request: Request) -> str:
        accepted = request.headers.get("accept-language", "")
        return choose_language(request.cookies.get(COOKIE, ""), accepted, self._otherwise)


def _choices(language: str) -> str:
    return "".join(
        f'<option value="{code}"{" selected" if code == language else ""}>{html.escape(name)}</option>'
        for code, name in languages().items()
    )
