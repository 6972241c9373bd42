"""The README and the pages of docs/ show files that load, commands that exist and links that lead somewhere."""

from __future__ import annotations

import ast
import json
import re
import shlex
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from gpiozero.pins.pi import PiBoardInfo
from support.paths import ROOT
from typer.main import get_command
from typer.testing import CliRunner

from converter.fleet.inventory import Inventory
from edge.cli import root
from edge.config.station import Station
from edge.health.faults import FaultKind
from edge.types import Reason
from edge.words import texts
from training.recipe import Recipe, load_recipe

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# A file is shown in parts, each of which is tried as a part of this one.
PLAIN: dict[str, Any] = {
    "name": "line-1",
    "kind": "conveyor",
    "camera": {"type": "picamera2"},
    "belt": {"speed_mm_per_s": 300, "mm_per_pixel": 0.6},
    "bins": [{"name": "residual"}],
}
PLAIN_RECIPE: dict[str, Any] = {
    "name": "hall-1",
    "labels": ["glass", "paper"],
    "train": [{"tree": "photos"}],
    "validation": [{"list": "val.csv"}],
}


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def _blocks(page: Path, *languages: str) -> Iterator[str]:
    """The fenced blocks of these languages; those inside of lists and notes without their margin."""
    for fence in re.finditer(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```", page.read_text(), flags=re.MULTILINE | re.DOTALL):
        margin, language, text = fence.groups()
        if language in languages:
            yield re.sub(rf"^{margin}", "", text, flags=re.MULTILINE)


def _without_blocks(page: Path) -> str:
    return re.sub(r"^( *)```.*?^\1```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def _examples() -> list[Any]:
    return [
        pytest.param(block, id=f"{_name(page)}-{n}") for page in PAGES for n, block in enumerate(_blocks(page, "toml"))
    ]


@pytest.mark.parametrize("example", _examples())
def test_every_toml_example_loads(example: str, tmp_path: Path) -> None:
    table = tomllib.loads(example)
    if {"name", "kind"} <= set(table):
        _assert_a_station_passes_the_check(example, tmp_path)
    elif set(table) == {"groups"}:
        Inventory.model_validate(table)
    elif set(table) == {"name", "texts"}:
        assert set(table["texts"]) <= set(texts("vi")), "a file of a language translates what is said"
    elif set(table) <= set(Station.model_fields):
        Station.model_validate(_completed(table))
    elif "base" in table:
        (tmp_path / "recipe.toml").write_text(example)
        load_recipe(str(tmp_path / "recipe.toml"))
    else:
        Recipe.model_validate({**PLAIN_RECIPE, **table})


def _assert_a_station_passes_the_check(example: str, folder: Path) -> None:
    (folder / "station.toml").write_text(example)
    result = CliRunner().invoke(root, ["check", "--station", str(folder / "station.toml"), "--json"])
    errors = [problem for problem in json.loads(result.stdout)["problems"] if problem["severity"] == "error"]
    assert (errors, result.exit_code) == ([], 0)


@pytest.mark.parametrize(
    ("page", "right", "wrong"),
    [("station-file.md", "speed_mm_per_s", "speed_mm_s"), ("tutorial.md", "pin = 18", "pin = 17")],
)
def test_a_mistake_is_answered_as_the_guide_shows(
    page: str, right: str, wrong: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guide = ROOT / "docs" / page
    example = next(block for block in _blocks(guide, "toml") if "name" in tomllib.loads(block))
    shown = next(block for block in _blocks(guide, "console", "text") if "error station" in block)
    (tmp_path / "station.toml").write_text(example.replace(right, wrong))
    monkeypatch.chdir(tmp_path)
    answer = CliRunner().invoke(root, ["check", "--station", "station.toml"]).stdout
    assert answer.splitlines() == [line for line in shown.splitlines() if not line.startswith("$")]


def _completed(part: Mapping[str, Any]) -> dict[str, Any]:
    """A whole station file around a part of one: what the part says goes before what is plain."""
    table = {**PLAIN, **part}
    table["belt"] = {**PLAIN["belt"], **part.get("belt", {})}
    bins = list(table["bins"])
    if not any(one["name"] == "residual" for one in bins):
        bins += PLAIN["bins"]
    known = {actuator["name"] for actuator in table.get("actuators", [])}
    wanted = {one["actuator"] for one in bins if "actuator" in one} - known
    spare = [{"name": name, "type": "digital", "pin": 4 + n} for n, name in enumerate(sorted(wanted))]
    table["bins"], table["actuators"] = bins, [*table.get("actuators", []), *spare]
    return table


def _lines_that_are_typed() -> Iterator[tuple[str, list[str]]]:
    """Every command line of `sorter` in a page: in blocks of what is typed, and in running text."""
    for page in PAGES:
        for block in _blocks(page, "console", "sh", "bash", "shell", ""):
            for line in block.replace("\\\n", " ").splitlines():
                yield from _called(page, line)
        for inline in re.findall(r"(?<!`)`([^`\n]+)`(?!`)", _without_blocks(page)):
            yield from _called(page, inline)


def _called(page: Path, line: str) -> Iterator[tuple[str, list[str]]]:
    for part in re.split(r"&&|\|\||;|\|", line.split("  #")[0]):
        typed = re.match(r"^\s*\$?\s*(?:sudo(?: -u sorter)? )?(?:\S*/)?sorter((?: .*)?)$", part)
        if typed and not re.match(r"^\s*[:,]", typed[1]):
            yield f"{_name(page)}: {part.strip()}", shlex.split(typed[1])


def _problem(words: list[str]) -> str:
    """What is wrong with a command line: a command or an option that does not exist; empty where all is well."""
    command: Any = get_command(root)
    context = command.make_context("sorter", [], resilient_parsing=True)
    for word in words:
        if word.startswith("-") and word != "-":
            option = word.split("=")[0]
            known = {name for param in command.params for name in (*param.opts, *param.secondary_opts)}
            if option not in known | {"--help", "-h"}:
                return f"`{command.name}` has no option {option}"
        elif hasattr(command, "get_command") and re.fullmatch(r"[a-z]+", word):
            found = command.get_command(context, word)
            if found is None:
                return f"there is no command `{word}`"
            command = found
    return ""


def test_every_command_that_is_shown_exists_with_its_options() -> None:
    typed = list(_lines_that_are_typed())
    wrong = {where: problem for where, words in typed if (problem := _problem(words))}
    assert (wrong, len(typed) > 20) == ({}, True)


def test_every_make_target_that_is_shown_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    shown = {(_name(page), target) for page in PAGES for target in re.findall(r"`make ([a-z-]+)", page.read_text())}
    assert [(page, target) for page, target in sorted(shown) if target not in targets] == []


def _anchors(page: Path) -> set[str]:
    """The headings of a page as links name them; a heading that two renderers name differently has no place here."""
    names = set()
    for heading in re.findall(r"^#+ (.+)$", _without_blocks(page), flags=re.MULTILINE):
        bare = re.sub(r"\[([^\]]*)\]\([^)]*\)|[`*]", r"\1", heading).strip().lower()
        names.add(re.sub(r"\s+", "-", re.sub(r"[^\w\s-]", "", bare)))
    return names


def _links(page: Path) -> set[str]:
    text = _without_blocks(page)
    return set(re.findall(r"\]\((?!\w+:)([^)\s]+)", text)) | set(re.findall(r'(?:src|href)="(?!\w+:)([^"]+)"', text))


def test_every_link_leads_to_a_file_and_a_heading_that_are_there() -> None:
    broken = []
    for page in PAGES:
        for link in sorted(_links(page)):
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            if not target.exists() or (anchor and anchor not in _anchors(target)):
                broken.append(f"{_name(page)}: {link}")
    assert broken == []


def test_no_page_of_the_site_links_out_of_the_site() -> None:
    out = [
        f"{_name(page)}: {link}"
        for page in PAGES[1:]
        for link in sorted(_links(page))
        if not (page.parent / link.partition("#")[0]).resolve().is_relative_to(ROOT / "docs")
    ]
    assert out == []


def test_every_file_of_the_repository_that_is_named_is_there() -> None:
    pattern = r"`((?:edge|training|converter|systemd|tests|benchmarks|docs)/[\w./-]+)`"
    named = {(_name(page), path) for page in PAGES for path in re.findall(pattern, page.read_text())}
    real = sorted((page, path) for page, path in named if "NAME" not in path)
    assert [(page, path) for page, path in real if not (ROOT / path).exists()] == []


def _first_cells(page: str, section: str) -> list[str]:
    """What the first column of a section's table quotes."""
    text = (ROOT / "docs" / page).read_text().split(f"\n## {section}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \|", text, flags=re.MULTILINE)
    return [quoted for row in rows for quoted in re.findall(r"`([^`]+)`", row)]


def test_troubleshooting_names_faults_and_reasons_that_there_are() -> None:
    faults, reasons = (
        _first_cells("troubleshooting.md", "Faults"),
        _first_cells("troubleshooting.md", "It sorts, but badly"),
    )
    assert faults
    assert reasons
    assert set(faults) <= set(FaultKind)
    assert set(reasons) <= set(Reason)


def _messages() -> str:
    """Every text in `edge`, with `...` for what is filled in."""
    found = []
    for path in sorted((ROOT / "edge").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.JoinedStr):
                found.append(
                    "".join(str(part.value) if isinstance(part, ast.Constant) else "..." for part in node.values)
                )
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return "\n".join(found)


def test_troubleshooting_quotes_messages_that_the_program_writes() -> None:
    quoted = [text.removesuffix(" ...") for text in _first_cells("troubleshooting.md", "It does not start")]
    messages, others = _messages(), {"sorter check", "sorter doctor", "numpy", "opencv"}
    assert len(quoted) > 5
    assert [text for text in quoted if text not in others and text not in messages] == []


def test_the_picture_of_the_layers_is_that_of_the_test_of_imports() -> None:
    lines = ast.parse((ROOT / "tests" / "unit" / "test_architecture.py").read_text()).body
    floors = next(
        ast.literal_eval(line.value) for line in lines if isinstance(line, ast.Assign) and "FLOORS" in ast.dump(line)
    )
    drawn = re.findall(
        r'font-weight="600">([^<]+)<', (ROOT / "docs" / "images" / "architecture-layers.svg").read_text()
    )
    from_below = [{room.removesuffix(".py") for room in row.split(" · ")} for row in reversed(drawn)]
    assert from_below == [set(floor) for floor in floors if floor != {"__main__"}]


def test_every_picture_is_small_and_shown_on_a_page() -> None:
    shown = {(page.parent / link).resolve() for page in PAGES for link in _links(page)}
    pictures = sorted((ROOT / "docs" / "images").iterdir())
    assert [picture.name for picture in pictures if picture not in shown or picture.stat().st_size > 200_000] == []


def test_the_wiring_names_the_right_pins_of_the_header() -> None:
    header = PiBoardInfo.from_revision(0xC03111).headers["J8"].pins
    places = {
        pin.name: {number for number, other in header.items() if other.name == pin.name} for pin in header.values()
    }
    page = (ROOT / "docs" / "wiring.md").read_text()
    drawings = "".join(path.read_text() for path in (ROOT / "docs" / "images").glob("wiring-*.svg"))
    drawn = [(f"GPIO{gpio}", pin) for gpio, pin in re.findall(r"GPIO (\d+) \(pin (\d+)\)", drawings)]
    drawn += [("GND", pin) for pin in re.findall(r"GND \(pin (\d+)\)", drawings)]
    drawn += [("3V3", pin) for pin in re.findall(r"3\.3 V \(pin (\d+)\)", drawings)]
    listed = [
        (f"GPIO{gpio}", pin)
        for gpios, pins in re.findall(r"^\| \D[^|]* \| ([\d, ]+) \| ([\d, ]+) \|$", page, flags=re.MULTILINE)
        for gpio, pin in zip(gpios.split(", "), pins.split(", "), strict=True)
    ]
    for row in re.findall(r"^\| (\d.+) \|$", page.split("The whole header:")[1], flags=re.MULTILINE):
        cells = row.split(" | ")
        listed += [(f"GPIO{gpio}", pin) for gpio, pin in zip(cells[::2], cells[1::2], strict=True) if gpio.isdigit()]
    assert len(drawn) > 20
    assert len(listed) > 40
    assert [(name, pin) for name, pin in drawn + listed if int(pin) not in places[name]] == []
