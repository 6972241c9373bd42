"""Every command that the program advises is there, with every option that it names; of pages see test_docs.py."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

import pytest
from support.paths import ROOT
from typer.main import get_command

from edge.cli import root

ADVISED = re.compile(r"[`']((?:sudo (?:-u \w+ )?)?sorter [a-z][^`'\n]*)[`']")


def _texts() -> Iterator[tuple[str, str]]:
    """Every string of the program, with `{}` for what is filled in, and where it stands."""
    for package in ("edge", "training", "converter"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield str(path.relative_to(ROOT)), node.value
                elif isinstance(node, ast.JoinedStr):
                    parts = [p.value if isinstance(p, ast.Constant) else "{}" for p in node.values]
                    yield str(path.relative_to(ROOT)), "".join(map(str, parts))


def _advised() -> list[tuple[str, str]]:
    return sorted({(where, command) for where, text in _texts() for command in ADVISED.findall(text)})


def _find(words: list[str]) -> tuple[Any, list[str]]:
    """The command that the words name, and the words that are left over as its arguments."""
    command: Any = get_command(root)
    for number, word in enumerate(words):
        if not hasattr(command, "get_command"):
            return command, words[number:]
        below = command.get_command(None, word)
        if below is None:
            return command, words[number:]
        command = below
    return command, []


@pytest.mark.parametrize(("where", "advice"), _advised(), ids=lambda text: text[:50])
def test_an_advised_command_exists_with_its_options(where: str, advice: str) -> None:
    words = advice.removeprefix("sudo -u sorter ").split("sorter ", 1)[1].split()
    plain = words[: next((n for n, word in enumerate(words) if not re.fullmatch("[a-z]+", word)), len(words))]
    command, left = _find(plain)
    assert len(left) < len(plain), f"{where}: no command is called {plain[0]}"
    assert not left or not hasattr(command, "get_command"), f"{where}: `{advice}`: no command {left[0]}"
    options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    wanted = {word.split("=")[0] for word in words if re.fullmatch(r"--?[a-z][a-z-]*(=.*)?", word)} - {"--help", "-h"}
    assert wanted <= options, f"{where}: `{advice}`"


def test_there_is_advice() -> None:
    assert len(_advised()) > 20
