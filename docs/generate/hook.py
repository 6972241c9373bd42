"""What MkDocs calls while it builds: fills the pages of docs/reference, and looks at what comes out.

Warnings end the build: `make docs` is strict.
"""

from __future__ import annotations

import logging
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from generate.links import linked
from generate.pages import GENERATED

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

log = logging.getLogger("mkdocs.hooks.generate")
_MARK = re.compile(r"^<!-- generate -->.*", flags=re.MULTILINE | re.DOTALL)
# What a browser fetches by itself when it shows a page.
_FETCHED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "link": "href"}


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put the generated text in the place of the mark and of what follows it."""
    name = page.file.src_uri.removeprefix("reference/").removesuffix(".md")
    generated = GENERATED.get(name) if page.file.src_uri.startswith("reference/") else None
    if generated is None:
        return markdown
    if not _MARK.search(markdown):
        log.warning("%s: expected the line <!-- generate -->, where the generated text goes", page.file.src_uri)
    return _MARK.sub(lambda _: generated(), markdown)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Have what is named as `belt.speed_mm_per_s` or `sorter check` lead to where it is described."""
    return linked(html, page.url)


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Warn of what a reader's browser would fetch from elsewhere, and of addresses that can't be right."""
    looked = _Addresses()
    looked.feed(output)
    for problem in looked.problems:
        log.warning("%s: %s", page.file.src_uri, problem)
    return output


class _Addresses(HTMLParser):
    """Collects what is wrong with the addresses of a page; nothing is fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.problems: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, Any]]) -> None:
        given = {name: str(value or "") for name, value in attrs}
        if "mermaid" in given.get("class", "").split():
            self.problems.append("a mermaid drawing is drawn by a script from the internet: use an SVG")
        address = given.get(_FETCHED.get(tag, ""), "")
        if urlsplit(address).netloc and given.get("rel") != "canonical":
            self.problems.append(f"<{tag}> fetches {address}: keep it in docs")
        if tag == "a" and not _is_plausible(given.get("href", "")):
            self.problems.append(f"link to {given['href']!r}: expected https://HOST/...")


def _is_plausible(address: str) -> bool:
    """Say whether an address may be one: whoever builds the pages may have no internet, so none is tried."""
    parts = urlsplit(address)
    if not parts.scheme:
        return not parts.netloc
    host = re.fullmatch(r"[\w-]+(\.[\w-]+)*\.[a-z]{2,}", parts.hostname or "")
    return parts.scheme == "mailto" or (parts.scheme in ("http", "https") and host is not None)
