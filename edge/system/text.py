"""Text from outside: read as people save it, and made harmless before it is shown."""

from __future__ import annotations

import codecs

# Every other byte of Latin text in UTF-16 is zero; one that is damaged has fewer.
_ZEROS_OF_UTF_16 = 0.3


class NotTextError(ValueError):
    """The bytes are no UTF-8 text; the message says what they are and what helps."""


def decode_text(content: bytes) -> str:
    """Return the text of a file that a person wrote: UTF-8, with or without the mark that Notepad puts in front.

    Raises:
        NotTextError: it is something else; the message is the end of a sentence that begins with the file's name.
    """
    marked = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if marked or content.count(0) > _ZEROS_OF_UTF_16 * len(content) > 0:
        raise NotTextError(
            "saved as UTF-16; save it as UTF-8 (in Notepad: Save as, Encoding: UTF-8), or on Linux: "
            "iconv -f UTF-16 -t UTF-8 OLD > NEW"
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise NotTextError(
            f"line {line} is not UTF-8 (byte 0x{content[error.start]:02x}); save it as UTF-8 (in Notepad: Save as, "
            "Encoding: UTF-8), or on Linux: iconv -f WINDOWS-1252 -t UTF-8 OLD > NEW"
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise NotTextError(f"line {line} has a zero byte: it is damaged, or no text file; write that line again")
    return text


def harmless(text: str) -> str:
    r"""Return the text with everything that a terminal might act on, or not show, written out: `\x1b`, `\u202e`.

    Line feeds stay. What remains is printable, so a file name or a manifest can move no cursor, set no
    colour, hide no letters and turn no line round.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode("ascii") for c in text)
