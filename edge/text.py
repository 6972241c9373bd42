"""Text from outside: made harmless before it is shown."""

from __future__ import annotations


def harmless(text: str) -> str:
    r"""Return the text with everything that a terminal might act on, or not show, written out: `\x1b`, `\u202e`.

    Line feeds stay. What remains is printable, so a file name or a manifest can move no cursor, set no
    colour, hide no letters and turn no line round.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode("ascii") for c in text)
