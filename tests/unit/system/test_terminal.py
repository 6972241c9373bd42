"""Whatever comes from outside is shown as text: no markup, no escape sequence, no word cut off."""

from __future__ import annotations

import ast
import io
import logging
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.table import Table
from support.paths import ROOT

from edge.system.output import HarmlessFormatter, say
from edge.system.terminal import Terminal, styled
from edge.system.text import harmless

# The only places that may write to a terminal by other means.
DOORS = {"edge/system/output.py", "edge/system/terminal.py"}
HOSTILE = "\x1b[2J\x1b]0;title\x07[red]a[/] \u202egpj.exe\r\x9b31m\x00 :smile:"

foreign = st.text(
    alphabet=st.one_of(
        st.characters(),
        st.sampled_from("\x1b\x07\x08\r\t\x7f\x9b\u202e\u2066\u200b\u2028[]/\\:"),
        st.sampled_from("abc XYZ 019"),
    ),
    max_size=60,
)


def shown(console: Terminal) -> str:
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def terminal(width: int = 200) -> Terminal:
    console = Terminal(highlight=False)
    console.file, console.width = io.StringIO(), width
    return console


def is_quiet(text: str) -> bool:
    return all(line.isprintable() for line in text.split("\n"))


@given(foreign, foreign)
def test_harmless_text_is_printable_and_printable_text_stays_as_it_is(text: str, more: str) -> None:
    safe = harmless(text)
    assert is_quiet(safe)
    assert harmless(safe) == safe
    assert harmless(text + more) == safe + harmless(more)


def test_an_escape_sequence_is_written_out() -> None:
    assert harmless("\x1b[31mred\u202e\x85\udcff") == "\\x1b[31mred\\u202e\\x85\\udcff"
    assert harmless("Förderband, 5 °C …\nnext") == "Förderband, 5 °C …\nnext"


@given(foreign, foreign, foreign)
@settings(max_examples=40)
def test_a_table_shows_foreign_text_as_text_wherever_it_stands(title: str, header: str, cell: str) -> None:
    for width in (30, 200):
        console = terminal(width)
        table = Table(header, "b", title=title)
        table.add_row(cell, styled(cell, "red", cell))
        console.print(table)
        console.print(cell)
        console.print(styled(cell, "bold", cell), soft_wrap=True)
        assert is_quiet(shown(console))


def test_markup_and_emoji_codes_stay_what_was_written() -> None:
    console = terminal()
    table = Table("[b]head[/]", title="[i]title[/]")
    table.add_row("[red]cell[/] :smile:")
    console.print(table)
    console.print("[link=https://example.org]here[/link]")
    text = shown(console)
    for part in ("[b]head[/]", "[i]title[/]", "[red]cell[/] :smile:", "[link=https://example.org]here[/link]"):
        assert part in text


@given(foreign)
def test_lines_and_log_lines_are_harmless_too(text: str) -> None:
    record = logging.LogRecord("name", logging.WARNING, "", 0, "%s", (text,), None)
    assert is_quiet(HarmlessFormatter("%(message)s").format(record))


def test_say_prints_a_hostile_name_as_it_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    say(f"{HOSTILE}: no such file")
    out = capsys.readouterr().out
    assert is_quiet(out)
    assert "\\x1b[2J" in out
    assert "[red]a[/]" in out


@settings(max_examples=40)
@given(st.lists(st.tuples(*[st.from_regex(r"[a-z-]{1,14}", fullmatch=True)] * 6), min_size=1, max_size=4))
def test_no_word_of_a_table_is_cut_off_or_broken_at_60_columns(rows: list[tuple[str, ...]]) -> None:
    console = terminal(60)
    table = Table("time", "item", "label", "bin", "reason", "actuator", title="What was sorted")
    for row in rows:
        table.add_row(*row)
    console.print(table)
    text = shown(console)
    assert max(map(len, text.splitlines())) <= 60
    words = set(re.split(r"[\s│┃|:]+", text))
    assert {word for row in rows for word in row} <= words


def _names(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            names.add(f"{node.value.id}.{node.attr}")
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Name):
            names.add(node.id)
    return names


def test_every_command_prints_through_the_doors_that_make_foreign_text_harmless() -> None:
    banned = {"typer.echo", "typer.secho", "click.echo", "rich.console.Console", "rich.print", "print",
              "rich.markup.escape", "Text.from_markup", "Text.from_ansi"}  # fmt: skip
    found = {
        (str(path.relative_to(ROOT)), name)
        for package in ("edge", "training", "converter")
        for path in (ROOT / package).rglob("*.py")
        if str(path.relative_to(ROOT)) not in DOORS
        for name in _names(path) & banned
    }
    assert not found
