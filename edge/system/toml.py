"""TOML as people write it: read with every mark and encoding explained, and the usual slips named with their cure."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from edge.system.files import read_regular
from edge.system.text import NotTextError, decode_text

# Far more than any settings; a file without an end must not fill the memory.
LARGEST_FILE = 1 << 20
_PLACE = re.compile(r"(.*) \(at line (\d+), column \d+\)")
_DECIMAL_COMMA = re.compile(r"=\s*([-+]?\d+),(\d+)\s*(?:#.*)?$")
_TYPOGRAPHIC = re.compile("[“”„‟«»‘’‚‛″′´`]")
_WORD = re.compile(r"^\s*([\w.-]+)\s*=\s*([^\W\d][^\"'#\[\]{},]*?)\s*(?:#.*)?$")
_TRUTH = {"true": "true", "yes": "true", "on": "true", "false": "false", "no": "false", "off": "false"}


class NotTomlError(NotTextError):
    """The text is not TOML; the message says in which line, and what to write instead where that is plain."""


def parse_toml(content: bytes) -> dict[str, Any]:
    """Return the table in the bytes of a file.

    Raises:
        NotTextError: it is not text, or not TOML; the message is the end of a sentence that names the file.
    """
    text = decode_text(content)
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise NotTomlError("not valid TOML: too many brackets in one another") from None
    except ValueError as error:  # also a number of more digits than Python takes
        raise NotTomlError(f"not valid TOML: {_explain(str(error), text)}") from None


def load_toml(path: Path) -> dict[str, Any]:
    """Return the table in a file, without waiting for what may be in its place.

    Raises:
        NotTextError: it is not text, or not TOML; the message is the end of a sentence that names the file.
        OSError: it can't be read, or is no such file.
    """
    return parse_toml(read_regular(path, LARGEST_FILE))


def _explain(message: str, text: str) -> str:
    found = _PLACE.fullmatch(message)
    if found is None:
        return message
    number = int(found[2])
    line = text.replace("\r\n", "\n").split("\n")[number - 1]
    return f"line {number}, `{line.strip()[:60]}`: {_cure(found[1], line)}"


def _cure(reason: str, line: str) -> str:
    """Return what to write instead, or the reason where nothing better is known."""
    if comma := _DECIMAL_COMMA.search(line):
        return f"a number has a point, not a comma: {comma[1]}.{comma[2]}"
    if quote := _TYPOGRAPHIC.search(line):
        return f'{quote[0]} is no quotation mark here; write "'
    if "\xa0" in line:
        return "there is a no-break space in it; delete it and type a space"
    if "\r" in line:
        return "its lines end as on an old Mac; save it with line ends of Linux or Windows"
    if reason.startswith("Cannot overwrite a value"):
        return f"{line.split('=')[0].strip()!r} is there twice in one table; remove one of them"
    if reason.startswith("Cannot declare"):
        return "this heading is there twice; put what belongs together under one of them"
    if reason.startswith("Expected '=' after a key"):
        return 'expected KEY = VALUE, as in name = "line-1"'
    if "Unescaped '\\'" in reason:
        return "a \\ in \"...\" needs another one; write / instead, or '...' around it"
    return _cure_of_word(line) or reason


def _cure_of_word(line: str) -> str:
    word = _WORD.match(line)
    if word is None or word[2] in ("true", "false", "inf", "nan"):
        return ""
    truth = _TRUTH.get(word[2].lower())
    return f"write {word[1]} = {truth}" if truth else f'text needs quotes: {word[1]} = "{word[2]}"'
