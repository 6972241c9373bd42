"""The pages and their common frame, in the language of whoever looks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edge.web.assets import asset_routes, read_markup
from edge.web.translating import Translator


class PageName(NamedTuple):
    """A page: its address, its name in the menu, and its files `NAME.html` and `NAME.js` among the assets."""

    address: str
    title: str
    name: str


PAGES: Final = (
    PageName("/", "Now", "now"),
    PageName("/week", "Today and this week", "week"),
    PageName("/items", "Items", "items"),
    PageName("/bins", "Bins", "bins"),
    PageName("/teach", "Teach", "teach"),
    PageName("/health", "Health", "health"),
)


class Pages:
    """Answers with the pages; `values` are put in place of `{{name}}`, translations in place of `[[English]]`."""

    def __init__(self, values: Mapping[str, str], language: str) -> None:
        """`language` is for who asks for none that there is."""
        frame = read_markup("station/frame.html")
        self._translator = Translator(language)
        self._markup = {
            page.address: frame.replace("{{body}}", read_markup(f"station/{page.name}.html"))
            .replace("{{dialogs}}", read_markup("station/dialogs.html"))
            .replace("{{menu}}", _menu(page))
            .replace("{{name}}", page.name)
            for page in PAGES
        }
        self._values = dict(values)
        self._files = [*self._translator.routes(), *asset_routes("station")]

    def routes(self) -> list[Route]:
        """Return the addresses of the pages, of their translations and of their files."""
        return [*(Route(address, self.page) for address in self.addresses), *self._files]

    @property
    def addresses(self) -> list[str]:
        """The pages' addresses."""
        return list(self._markup)

    @property
    def files(self) -> list[str]:
        """The addresses of what the pages load that tells nothing about the station."""
        return [route.path for route in self._files]

    async def page(self, request: Request) -> Response:
        """A page, in the language that the browser asks for."""
        return self._translator.answer(request, self._markup[request.url.path], self._values)


def _menu(shown: PageName) -> str:
    return "".join(
        f'<a href="{page.address}"{" aria-current=page" if page == shown else ""}>[[{page.title}]]</a>'
        for page in PAGES
    )
