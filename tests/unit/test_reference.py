"""The reference pages say all that the code has: what is looked for is read in another way than the pages are written."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import pytest
from pydantic import TypeAdapter
from typer.main import get_command
from typer.testing import CliRunner

import edge.errors
from edge.cli import root
from edge.config.station import Station
from edge.errors import SorterError
from edge.health.faults import NATURES, FaultKind
from generate import hook
from generate.pages import GENERATED
from generate.settings import example, settings_rows, tables

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return {name: write() for name, write in GENERATED.items()}


def section(text: str, heading: str) -> str:
    """What stands below a heading, to the next one."""
    below = re.split(rf"^#+ `{re.escape(heading)}`.*$", text, flags=re.MULTILINE)
    assert len(below) == 2, heading
    return re.split(r"^#+ ", below[1], flags=re.MULTILINE)[0]


def built(name: str) -> str:
    page: Any = SimpleNamespace(file=SimpleNamespace(src_uri=f"reference/{name}.md"))
    nothing: Any = None
    return hook.on_page_markdown((REFERENCE / f"{name}.md").read_text(), page, nothing, nothing)


# -- the pages ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GENERATED)
def test_a_page_keeps_its_introduction_and_gets_what_is_generated(name: str, pages: dict[str, str]) -> None:
    introduction, _, for_readers_of_the_file = (REFERENCE / f"{name}.md").read_text().partition("<!-- generate -->")
    assert introduction.startswith("# ")
    assert f"build/site/reference/{name}.html" in for_readers_of_the_file
    assert built(name) == introduction + pages[name]
    assert f"reference/{name}.md" in (ROOT / "mkdocs.yml").read_text()


def test_a_page_without_a_place_for_what_is_generated_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    page: Any = SimpleNamespace(file=SimpleNamespace(src_uri="reference/faults.md"))
    nothing: Any = None
    hook.on_page_markdown("# Faults\n", page, nothing, nothing)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "reference/faults.md: expected the line <!-- generate -->" in caplog.text


@pytest.mark.parametrize(
    ("html", "problem"),
    [
        ('<script src="https://cdn.example.org/a.js"></script>', "<script> fetches https://cdn.example.org/a.js"),
        ('<link rel="stylesheet" href="//fonts.example.org/a.css">', "<link> fetches //fonts.example.org/a.css"),
        ('<img src="http://example.org/a.png">', "<img> fetches http://example.org/a.png"),
        ('<pre class="mermaid">graph</pre>', "use an SVG"),
        ('<a href="https://example">', "link to 'https://example'"),
        ('<a href="htp://example.org">', "link to 'htp://example.org'"),
        ('<a href="//example.org">', "link to '//example.org'"),
    ],
)
def test_what_a_reader_without_internet_would_miss_is_warned_of(
    caplog: pytest.LogCaptureFixture, html: str, problem: str
) -> None:
    page: Any = SimpleNamespace(file=SimpleNamespace(src_uri="index.md"))
    nothing: Any = None
    assert hook.on_post_page(html, page, nothing) == html
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert problem in caplog.text


def test_links_to_other_pages_and_sites_pass(caplog: pytest.LogCaptureFixture) -> None:
    page: Any = SimpleNamespace(file=SimpleNamespace(src_uri="index.md"))
    nothing: Any = None
    links = ("faults.html#jam", "#jam", "https://www.example.org/a?b=c", "mailto:a@example.org")
    hook.on_post_page("".join(f'<a href="{link}">there</a><img src="a.svg">' for link in links), page, nothing)
    assert caplog.records == []


# -- settings -----------------------------------------------------------------------------------------------------


def properties() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Model, key and schema of everything that a station file may hold, as pydantic's JSON schema has it."""
    schema = Station.model_json_schema()
    for name, model in {"Station": schema, **schema["$defs"]}.items():
        for key, field in model["properties"].items():
            yield name, key, field


def test_every_setting_is_described_with_its_default(pages: dict[str, str]) -> None:
    lines = [line for line in pages["settings"].splitlines() if line.startswith("| <span")]
    known = list(properties())
    assert len(known) > 130
    for model, key, field in known:
        if "$ref" in str(field):  # a table of its own
            assert re.search(rf"^## `\[+(\w+\.)?{key}[\].]", pages["settings"], flags=re.MULTILINE), f"{model}.{key}"
            continue
        meaning = re.split(r"[,;(|]", field["description"])[0]
        default = field.get("default")
        shown = [line for line in lines if f">`{key}`<" in line and meaning in line]
        if isinstance(default, bool | int | float):
            shown = [
                line for line in shown if re.search(rf"`{re.escape(f'{default:g}')}`|`{str(default).lower()}`", line)
            ]
        assert shown, f"{model}.{key}"


def test_every_setting_has_an_example_that_the_station_file_takes() -> None:
    tried = 0
    for row in settings_rows():
        for model in tables()[row.table]:
            field = model.model_fields.get(row.value.name)
            chosen = model.model_fields.get("type")
            kind = "" if chosen is None else str(TypeAdapter(chosen.annotation).json_schema()["const"])
            if field is None or (row.kinds and kind not in row.kinds):
                continue
            wanted = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
            value = example(row, kind)
            assert value is not None, row.key
            TypeAdapter(wanted).validate_python(value)
            tried += 1
    assert tried > 150


# -- commands -----------------------------------------------------------------------------------------------------


def leaves() -> Iterator[tuple[str, ...]]:
    """The words of every command, as the command line itself lists them."""
    waiting: list[tuple[Any, Any, tuple[str, ...]]] = [(get_command(root), None, ())]
    while waiting:
        command, parent, words = waiting.pop()
        if words:
            yield words
        if hasattr(command, "list_commands"):
            context = command.make_context("sorter", [], parent=parent, resilient_parsing=True)
            waiting += [
                (command.get_command(context, name), context, (*words, name)) for name in command.list_commands(context)
            ]


@pytest.mark.parametrize("words", sorted(leaves()), ids=" ".join)
def test_a_command_is_described_with_the_options_that_its_help_shows(
    words: tuple[str, ...], pages: dict[str, str]
) -> None:
    text = section(pages["commands"], f"sorter {' '.join(words)}")
    told = CliRunner().invoke(root, [*words, "--help"], env={"COLUMNS": "300", "TERM": "dumb", "NO_COLOR": "1"})
    assert told.exit_code == 0
    options = set(re.findall(r"(?<![\w`-])--[a-z][a-z-]+", told.output.split("Options", 1)[1])) - {"--help"}
    described = set(
        re.findall(r"`(--[a-z][a-z-]+)`", "\n".join(re.findall(r"^\| (`-[^|]+)", text, flags=re.MULTILINE)))
    )
    mentioned = set(re.findall(r"--[a-z][a-z-]+", text))
    assert described <= options <= mentioned


def test_every_exit_code_has_the_meaning_of_its_error(pages: dict[str, str]) -> None:
    kinds = [kind for kind in vars(edge.errors).values() if isinstance(kind, type) and issubclass(kind, SorterError)]
    coded = {
        str(kind.exit_code): kind.__doc__ for kind in kinds if "exit_code" in vars(kind) and kind is not SorterError
    }
    shown = dict(re.findall(r"^\| (\d+) \| (.+) \|$", pages["commands"], flags=re.MULTILINE))
    assert len(coded) > 15
    assert {number: shown[number] for number in coded} == coded
    assert set(shown) - set(coded) == {"0", "1", "130", "141"}


# -- faults -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FaultKind)
def test_a_fault_is_described_with_what_it_says_how_bad_it_is_and_what_to_do(
    kind: FaultKind, pages: dict[str, str]
) -> None:
    text = section(pages["faults"], kind)
    nature = NATURES[kind]
    assert nature.sentence in text
    assert nature.advice in text
    assert f"**Severity:** {nature.severity}." in text
    assert ("Nothing is fired" in text) == nature.holds


def test_what_is_tried_against_a_fault_is_told_with_its_number_of_tries(pages: dict[str, str]) -> None:
    assert "opened again after 1, 2, 4 ... s, at most 60 s; after 10 tries the service is restarted" in section(
        pages["faults"], "camera-lost"
    )
    assert "loaded again after 1, 2, 4 ... s, at most 60 s; after 3 tries" in section(
        pages["faults"], "classifier-failed"
    )
    assert "The fault ends with a reset." in section(pages["faults"], "emergency-stop")
