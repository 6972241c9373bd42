"""The files of translations: which there are, which one somebody wants, and what is in them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

ENGLISH: Final = "en"
FOLDER: Final = Path(__file__).parent


@cache
def languages() -> Mapping[str, str]:
    """Return the languages by their codes (ISO 639-1), each by the name that it has for those who speak it."""
    others = {path.stem: _read_name(path) for path in sorted(FOLDER.glob("*.toml"))}
    return MappingProxyType({ENGLISH: "English", **others})


@cache
def texts(language: str) -> Mapping[str, str]:
    """Return the translations into a language, by the English sentence; none for English and for what is not known."""
    if language == ENGLISH or language not in languages():
        return MappingProxyType({})
    return MappingProxyType(dict(tomllib.loads((FOLDER / f"{language}.toml").read_text("utf-8"))["texts"]))


def translate(english: str, language: str, **places: object) -> str:
    """Return a sentence in that language, with its places filled in; in English where there is no translation."""
    said = texts(language).get(english, english)
    return said.format(**places) if places else said


def choose_language(wanted: str, accepted: str, otherwise: str = ENGLISH) -> str:
    """Return a visitor's language: the one `wanted`, else the first known one of a browser's Accept-Language header."""
    for part in [wanted, *accepted[:200].split(",")]:
        code = part.partition(";")[0].strip().lower().partition("-")[0]
        if code in languages():
            return code
    return otherwise


def _read_name(path: Path) -> str:
    """Read what stands before the texts alone: every command looks for the languages, and few translate anything."""
    head, _, _ = path.read_text("utf-8").partition("\n[texts]")
    return str(tomllib.loads(head)["name"])
