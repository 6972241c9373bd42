"""Settings, commands and metrics that a page names lead to their descriptions, without a link being written by hand."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from functools import cache

from generate.commands import commands
from generate.metrics import metrics
from generate.settings import key_anchor, settings_rows

# A link in a link is none, and blocks and headings are to be read whole.
_CODE = re.compile(r"<(a|pre|h\d)\b.*?</\1>|<code>([^<]+)</code>", flags=re.DOTALL)


@cache
def places() -> Mapping[str, str]:
    """Return where each word is described; a key at the top of a file or of several types is no word of its own."""
    rows = [row for row in settings_rows() if row.table and not row.kinds]
    keys = {key_anchor(row): f"reference/settings.html#{key_anchor(row)}" for row in rows}
    names = {name: f"reference/metrics.html#{name}" for row in metrics() for name in row.names}
    typed = {c.path: f"reference/commands.html#{c.path.replace(' ', '-')}" for c in commands() if " " in c.path}
    return {**keys, **names, **typed}


def linked(html: str, url: str) -> str:
    """Return a page with links; `url` is its own, from the site's root."""

    def link(found: re.Match[str]) -> str:
        place = _place(found[2]) if found[2] else None
        if place is None or place.startswith(f"{url}#"):
            return found[0]
        return f'<a href="{posixpath.relpath(place, posixpath.dirname(url) or ".")}">{found[0]}</a>'

    return _CODE.sub(link, html)


def _place(text: str) -> str | None:
    """Return where a word is described; of a command line the command counts, with what is its subcommand."""
    words = text.split()
    if words[0] != "sorter":
        return places().get(text)
    return next((place for n in (3, 2) if (place := places().get(" ".join(words[:n])))), None)
