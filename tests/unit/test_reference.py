"""The reference pages say all that the code has: what is looked for is read in another way than the pages are written."""

from __future__ import annotations

import inspect
import json
import logging
import re
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, TypeAdapter
from starlette.testclient import TestClient
from support.paths import ROOT
from typer.main import get_command
from typer.testing import CliRunner

import edge.errors
import edge.status.metrics
import edge.web.journal.asking
import edge.web.serving.guard
import edge.web.station.actions
import edge.web.station.app
import edge.web.station.signin
import edge.web.teaching.teach
from edge.bundle.manifest import Manifest
from edge.bundle.signature import Signature
from edge.cli import root
from edge.clock import VirtualClock
from edge.config.station import Station
from edge.errors import SorterError
from edge.health.faults import SPECS, FaultKind
from edge.health.health import State
from edge.inference.golden_photos import GoldenPhoto
from edge.journal.database import create_if_missing
from edge.journal.reading import EventRecord, ItemRecord
from edge.journal.schema import MEANINGS
from edge.types import EventKind, Reason, Severity, StrokeOutcome
from edge.web.station.app import build_app
from generate import hook
from generate.example import NobodyActs, live, station
from generate.journal import exported
from generate.links import linked, places
from generate.pages import GENERATED
from generate.settings import STATION, example, settings_rows
from training.derived import Derived
from training.recipe import Recipe

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


def test_what_a_page_names_leads_to_its_description_and_nothing_else_changes() -> None:
    html = (
        "<h2><code>sorter check</code></h2><p><code>page.controls</code>, <code>sorter stats --since 1h</code> and "
        "<code>sorter</code>, <code>name</code>; <a href='x'><code>sorter run</code></a><pre><code>sorter run</code></pre></p>"
    )
    assert linked(html, "decisions/0001.html") == html.replace(
        "<code>page.controls</code>",
        '<a href="../reference/settings.html#page.controls"><code>page.controls</code></a>',
    ).replace(
        "<code>sorter stats --since 1h</code>",
        '<a href="../reference/commands.html#sorter-stats"><code>sorter stats --since 1h</code></a>',
    )
    assert linked("<code>page.controls</code>", "index.html").startswith('<a href="reference/settings.html#')
    assert linked("<code>page.controls</code>", "reference/settings.html") == "<code>page.controls</code>"


def test_every_place_that_links_lead_to_is_on_its_page(pages: dict[str, str]) -> None:
    assert len(places()) > 100
    for place in places().values():
        page, anchor = re.fullmatch(r"reference/(\w+)\.html#(.+)", place).groups()  # type: ignore[union-attr]
        is_there = f'id="{anchor}"' in pages[page] or f"`{anchor.replace('-', ' ', 2)}`\n" in pages[page]
        assert is_there, place


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
        for model in STATION[row.table]:
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


def test_every_setting_has_a_description_a_type_and_a_default() -> None:
    rows = settings_rows()
    assert [row.key for row in rows if not (row.value.description and row.value.type and row.value.default)] == []
    assert len({row.key for row in rows}) == len(rows) > 100


@pytest.mark.parametrize(
    ("key", "kind", "default"),
    [
        ("camera.width", "whole number, from 64 to 4096", "640"),
        ("camera.gain (picamera2, v4l2, simulated)", "number, from 0 to 64", "unset"),
        ("belt.direction", "right, left, down, up", '"right"'),
        ("bins[].labels", "list of text", "empty"),
        ("actuators[].positions_us (servo)", "table of whole number, from 500 to 2500", "required"),
        ("page.enabled", "true or false", "true"),
    ],
)
def test_rows_say_what_may_be_written(key: str, kind: str, default: str) -> None:
    row = next(row for row in settings_rows() if row.key == key)
    assert (row.value.type, row.value.default) == (kind, default)


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
    assert set(shown) - set(coded) == {"0", "1", "20", "21", "22", "23", "130"}


# -- faults -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FaultKind)
def test_a_fault_is_described_with_what_it_says_how_bad_it_is_and_what_to_do(
    kind: FaultKind, pages: dict[str, str]
) -> None:
    text = section(pages["faults"], kind)
    spec = SPECS[kind]
    assert spec.sentence in text
    assert spec.advice in text
    assert f"**Severity:** {spec.severity}." in text
    assert ("Nothing is fired" in text) == spec.inhibits


def test_every_state_is_described_and_whether_it_holds_the_strokes(pages: dict[str, str]) -> None:
    shown = re.findall(r"^\| `(\w+)` \| .+ \| (held)? ?\|$", pages["faults"], flags=re.MULTILINE)
    assert {state for state, _ in shown} == set(State)
    assert {state for state, held in shown if held} == {"estop", "stopped", "fault", "starting"}


def test_what_is_tried_against_a_fault_is_told_with_its_number_of_tries(pages: dict[str, str]) -> None:
    assert "opened again after 1, 2, 4 ... s, at most 60 s; after 10 tries the service is restarted" in section(
        pages["faults"], "camera-lost"
    )
    assert "loaded again after 1, 2, 4 ... s, at most 60 s; after 3 tries" in section(
        pages["faults"], "classifier-failed"
    )
    assert "The fault ends with a reset." in section(pages["faults"], "emergency-stop")


# -- metrics, addresses, journal, bundle --------------------------------------------------------------------------


def test_every_metric_that_a_scrape_of_a_page_brings_is_described(pages: dict[str, str]) -> None:
    clock = VirtualClock()
    with TestClient(build_app(live(clock), station(), None, clock), "http://localhost") as web:
        told = web.get("/metrics").text
    series = set(re.findall(r"^(\w+)", told, flags=re.MULTILINE))
    assert series == set(re.findall(r">`(\w+)`<", pages["metrics"]))
    for name, text in re.findall(r"^# HELP (\w+) (.+)$", told, flags=re.MULTILINE):
        kind = re.search(rf"^# TYPE {name} (\w+)$", told, flags=re.MULTILINE)
        assert kind is not None
        line = next(line for line in pages["metrics"].splitlines() if f">`{name}" in line)
        assert f" | {text} | {kind[1]} | " in line
    for name, labels in re.findall(r"^(\w+)\{(.+)\} ", told, flags=re.MULTILINE):
        line = next(line for line in pages["metrics"].splitlines() if f">`{name}`<" in line)
        assert set(re.findall(r"(\w+)=", labels)) <= set(re.findall(r"`(\w+)`(?!<)", line))


def test_every_metric_of_the_code_has_a_value_in_the_example(pages: dict[str, str]) -> None:
    source = inspect.getsource(edge.status.metrics)
    named = set(re.findall(r'"(sorter_\w+)"', source))
    assert len(named) > 15
    assert [name for name in sorted(named) if f">`{name}" not in pages["metrics"]] == []


def test_every_address_is_described_and_answers_as_is_said(pages: dict[str, str]) -> None:
    clock = VirtualClock()
    rows = [re.split(r" \| ", line.strip("| ")) for line in pages["http"].splitlines() if line.startswith("| `")]
    described = {path: (method, *row) for row in rows for method, path in re.findall(r"`([A-Z]+) (/[^`]*)`", row[0])}
    with TestClient(build_app(live(clock), station(), None, clock, NobodyActs()), "http://localhost") as web:
        assert set(described) == {route.path for route in web.app.routes}  # type: ignore[attr-defined]
        kinds = {"JSON": "application/json", "JPEG": "image/jpeg", "Figures": "text/plain", "The page": "text/html"}
        for path, (method, _, answer, needs) in described.items():
            assert answer
            kind = next((kind for word, kind in kinds.items() if answer.startswith(word)), None)
            if kind is not None:
                assert web.get(path.replace("{name}", "1.jpg")).headers["content-type"].startswith(kind), path
            answered = web.post(path, json={}).status_code
            assert (method == "POST") == (answered != 405), path
            assert ("signed in" in needs) == (answered == 401), path


def test_every_status_that_turns_a_request_away_is_explained() -> None:
    source = "".join(
        inspect.getsource(module)
        for module in (
            edge.web.station.actions,
            edge.web.station.app,
            edge.web.journal.asking,
            edge.web.station.signin,
            edge.web.teaching.teach,
            edge.web.serving.guard,
        )
    )
    used = set(re.findall(r"(?:_refuse\(|HTTPException\(|, )([45]\d\d)\b", source))
    explained = set(re.findall(r"^\| (\d+) \|", (REFERENCE / "http.md").read_text(), flags=re.MULTILINE))
    assert used == explained


def test_every_column_of_a_journal_that_was_written_is_described(pages: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    create_if_missing(path)
    with closing(sqlite3.connect(path)) as file:
        tables = [name for (name,) in file.execute("SELECT name FROM sqlite_schema WHERE sql LIKE 'CREATE TABLE%'")]
        columns = {table: [row[1] for row in file.execute(f"PRAGMA table_info({table})")] for table in tables}
    assert {"runs", "items", "events"} <= set(columns)
    described = re.findall(
        r'^\| <span id="(\w+)\.(\w+)">`\2`</span> \| (.+) \| \w+ \| (?:yes)? \|$', pages["journal"], flags=re.MULTILINE
    )
    assert [(table, column) for table, column, _ in described] == [(t, c) for t in MEANINGS for c in columns[t]]
    assert set(MEANINGS) == set(columns)


@pytest.mark.parametrize("kind", [Reason, StrokeOutcome, EventKind, Severity])
def test_every_word_that_the_journal_may_hold_has_a_meaning(kind: type[StrEnum], pages: dict[str, str]) -> None:
    meanings = dict(re.findall(r"^\| `([\w-]+)` \| (.+) \|$", pages["journal"], flags=re.MULTILINE))
    assert [member.value for member in kind if member.value and not meanings.get(member.value)] == []


@pytest.mark.parametrize("record", [ItemRecord, EventRecord])
def test_every_column_of_an_export_has_a_meaning(record: type[Any]) -> None:
    known = exported("items" if record is ItemRecord else "events")
    assert list(known) == list(record._fields)
    assert all(known.values())


def test_every_setting_of_a_recipe_is_described(pages: dict[str, str]) -> None:
    schema = Recipe.model_json_schema()
    known = [field for part in (schema, *schema["$defs"].values()) for field in part["properties"].items()]
    assert len(known) > 50
    for name, field in known:
        if "$ref" in str(field):  # a table of its own
            assert re.search(rf"^## .*`\[+(\w+\.)?{name}\]+`", pages["recipe"], flags=re.MULTILINE), name
        else:
            assert f">`{name}`</span> | {field['description']} |" in pages["recipe"], name
    for name, field in Derived.model_json_schema()["properties"].items():
        assert f">`{name}`</span> | {field['description']} |" in pages["recipe"], name


@pytest.mark.parametrize(
    ("member", "model"), [("manifest.json", Manifest), ("signature", Signature), ("golden-photos.json", GoldenPhoto)]
)
def test_every_field_of_a_bundles_json_is_described(member: str, model: type[BaseModel], pages: dict[str, str]) -> None:
    schema = model.model_json_schema(mode="serialization")
    lines = [line for line in pages["bundle"].splitlines() if line.startswith(f'| <span id="{member}:')]
    text, wanted = json.dumps(schema), 0
    for kind, part in {"": schema, **schema.get("$defs", {})}.items():
        used = text.count(f'"#/$defs/{kind}"') or 1
        for name, field in part["properties"].items():
            if "$ref" not in str(field):
                wanted += used
                assert any(f">`{name}`<" in line and f" | {field['description']} | " in line for line in lines), name
    assert len(lines) == wanted


def test_every_member_of_the_shipped_bundle_is_described(pages: dict[str, str]) -> None:
    shipped = next((ROOT / "edge" / "model").glob("*.sorter"))
    with zipfile.ZipFile(shipped) as bundle:
        names = bundle.namelist()
    described = re.findall(r"^\| `([\w.-]+)` \| \d+ [KM]iB \| .+ \|$", pages["bundle"], flags=re.MULTILINE)
    assert len(names) > 3
    assert [name for name in names if name not in described] == []
