"""Tables and the like."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; its cells are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell(text) for text in line)} |" for line in lines)


def cell(text: str) -> str:
    """Return text that stays within its cell of a table."""
    return re.sub(r"\s+", " ", text).strip().replace("|", "\\|")


def code(text: str) -> str:
    """Return text as it is typed."""
    return f"`{text}`" if text else ""


def anchored(name: str, text: str) -> str:
    """Return text that links can lead to."""
    return f'<span id="{name}">{text}</span>'


def fenced(language: str, text: str) -> str:
    """Return a block of what is typed, or read by a machine."""
    return f"```{language}\n{text.strip()}\n```"


def document(*parts: str) -> str:
    """Return parts one below the other, each with a line between."""
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"


def sentence(text: str | None) -> str:
    """Return the first sentence or paragraph of a docstring, without its line breaks."""
    return " ".join((text or "").strip().split("\n\n")[0].split())


def paragraphs(text: str | None) -> str:
    """Return a docstring's own words: what follows `Raises:` and `Attributes:` is for who calls it."""
    kept = re.split(r"\n\s*(?:Raises|Attributes|Args):", (text or "").strip())[0]
    return "\n\n".join(" ".join(part.split()) for part in kept.split("\n\n"))
