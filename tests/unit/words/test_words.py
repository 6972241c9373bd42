"""Every text of the pages is there in every language, with the same places to fill in, and none that nobody needs."""

from __future__ import annotations

import ast
import json
import re
import unicodedata
import zipfile
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

import edge
from edge.config.station import RESIDUAL
from edge.health.faults import SPECS
from edge.inference.classifier import shipped_bundle_path
from edge.station.teaching.classroom import ABSENT, BUSY, HELD
from edge.station.teaching.lesson import THERE_BEFORE
from edge.station.teaching.taught_place import NAMES_ITS_MODEL
from edge.teaching.shown import NO_PICTURE, TWO_AT_ONCE
from edge.types import REASON_TEXT
from edge.web.assets import FOLDER
from edge.web.station.pages import PAGES
from edge.web.station.words import (
    ARRIVED_TEXT,
    NO_TOKEN_TEXT,
    OTHER_PAGE_TEXT,
    REFUSAL_TEXT,
    STATE_TEXT,
    STROKE_TEXT,
    TAUGHT_TEXT,
    RefusedText,
)
from edge.words import Sentence, choose_language, languages, texts, translate

IN_MARKUP = re.compile(r"\[\[(.+?)\]\]", re.DOTALL)
IN_SCRIPT = re.compile(r"""\bt\(\s*"((?:[^"\\]|\\.)*)\"""")
SHOWN = [path for path in sorted(FOLDER.rglob("*")) if path.suffix in (".html", ".js")]
AT_THE_PAGE = Path(edge.__file__).parent / "station" / "teaching"
OTHERS = [code for code in languages() if code != "en"]


def needed() -> set[str]:
    """All English texts that a visitor can come to see, from where they stand; of labels those of the shipped model."""

    def found() -> Iterator[str]:
        for page in PAGES:
            yield page.title
        for path in SHOWN:
            found = {".html": IN_MARKUP, ".js": IN_SCRIPT}[path.suffix].findall(path.read_text("utf-8"))
            yield from (" ".join(text.split()) for text in found)
        for path in Path(edge.__file__).parent.rglob("*.py"):
            yield from said_in(path)
        yield from (*shipped_labels(), RESIDUAL)
        for state in (*STATE_TEXT.values(), *TAUGHT_TEXT.values()):
            yield from (state.title, state.meaning)
        for spec in SPECS.values():
            yield from (spec.sentence, spec.advice)
        yield from (HELD, ABSENT, BUSY, NAMES_ITS_MODEL, THERE_BEFORE, TWO_AT_ONCE, NO_PICTURE)
        yield from (*REASON_TEXT.values(), *STROKE_TEXT.values(), *ARRIVED_TEXT.values())
        yield from (*REFUSAL_TEXT.values(), OTHER_PAGE_TEXT, NO_TOKEN_TEXT, *RefusedText)

    return set(found())


def said_in(path: Path) -> Iterator[str]:
    """The sentences that Python code translates where it says them."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        match node:
            case ast.Call(func=ast.Name(id="translate" | "Sentence"), args=[ast.Constant(value=str(text)), *_]):
                yield text
            case ast.Call(func=ast.Name(id="TeachingError"), args=[ast.Constant(value=str(text))]) if (
                AT_THE_PAGE in path.parents
            ):
                yield text


def shipped_labels() -> list[str]:
    with zipfile.ZipFile(shipped_bundle_path()) as bundle:
        return list(json.loads(bundle.read("manifest.json"))["labels"])


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("language", OTHERS)
def test_nothing_is_missing_and_nothing_is_left_over(language: str) -> None:
    missing, left_over = needed() - texts(language).keys(), texts(language).keys() - needed()
    assert not missing, "\n" + "\n".join(f'{json.dumps(str(text))} = ""' for text in sorted(missing))
    assert not left_over, "\n" + "\n".join(sorted(left_over))


@pytest.mark.parametrize("language", OTHERS)
def test_a_translation_fills_in_what_the_sentence_does_and_keeps_its_commands(language: str) -> None:
    for english, translation in texts(language).items():
        assert translation.strip(), english
        assert translation == unicodedata.normalize("NFC", translation), english
        assert places(translation) == places(english), english
        assert re.findall("`[^`]*`", translation) == re.findall("`[^`]*`", english), english


def test_scripts_say_nothing_but_through_a_translation() -> None:
    shown = re.compile(r"""(?:make\("\w+", "[\w ]*", |say\("\w+", |alert\(|confirm\()["`](?=[A-Za-z$])""")
    for path in SHOWN:
        assert shown.findall(path.read_text("utf-8")) == [], path.name


@pytest.mark.parametrize(
    ("wanted", "accepted", "language"),
    [
        ("", "", "en"),
        ("", "vi-VN,vi;q=0.9,en;q=0.8", "vi"),
        ("", "fr-FR, fr;q=0.9", "en"),
        ("en", "vi", "en"),
        ("xx", "vi", "vi"),
        ("../vi", "", "en"),
        ("", "," * 100_000, "en"),
    ],
)
def test_the_language_is_the_chosen_one_then_the_browsers(wanted: str, accepted: str, language: str) -> None:
    assert choose_language(wanted, accepted) == language


def test_who_asks_for_no_known_language_gets_the_stations() -> None:
    assert choose_language("", "", "vi") == choose_language("xx", "fr-FR", "vi") == "vi"
    assert choose_language("", "en", "vi") == "en"


def test_places_are_filled_in_and_what_stands_in_for_them_is_left_alone() -> None:
    assert translate("No longer: {fault}", "vi", fault="{time} {}") == "Đã hết: {time} {}"
    assert translate("{time} {}", "vi") == "{time} {}"


def test_a_sentence_is_whole_for_a_terminal_and_in_parts_for_the_page() -> None:
    sentence = Sentence("nothing was shown of {labels}: {count}", {"labels": ["glass", "{metal}"], "count": 0})
    assert str(sentence) == "nothing was shown of glass, {metal}: 0"
    assert json.loads(json.dumps(sentence.as_table())) == {
        "text": str(sentence),
        "english": "nothing was shown of {labels}: {count}",
        "values": {"labels": ["glass", "{metal}"], "count": 0},
    }


def test_what_has_no_translation_is_said_in_english() -> None:
    assert translate("Never translated.", "vi") == "Never translated."
    assert translate("Now", "xx") == "Now"
