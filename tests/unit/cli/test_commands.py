"""A command is a file of `edge/cli/commands` and its name in COMMANDS."""

from __future__ import annotations

from pathlib import Path

import edge.cli.commands
from edge.cli import COMMANDS


def test_every_file_of_a_command_is_listed_and_every_listed_command_has_its_file() -> None:
    (folder,) = edge.cli.commands.__path__
    names = {path.stem for path in Path(folder).iterdir() if not path.name.startswith("__")}
    assert names == set(COMMANDS)
