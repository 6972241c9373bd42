"""The command `sorter`: each subcommand is a module of `commands`, imported when it is called."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from edge import __version__
from edge.cli.extras import load_command, missing_extra, short_help
from edge.errors import ConfigError, OutputError, ReaderGoneError, SorterError
from edge.system.output import close_output, complain, give_up_output, prepare_streams, say

# In the order in which `sorter --help` shows them; each is a module of `edge/cli/commands` with `command` (a function) or
# `app` (a Typer group).
COMMANDS = (
    "run",
    "pause",
    "resume",
    "status",
    "top",
    "token",
    "check",
    "doctor",
    "notify",
    "calibrate",
    "teach",
    "setup",
    "safe",
    "journal",
    "stats",
    "classify",
    "label",
    "count",
    "simulate",
    "model",
    "key",
    "receive",
)
LEARNING = "teach"
"""Threads of OpenBLAS wait for each other at full speed: beside a station that runs, it learnt for minutes with two and for
five seconds with one. NumPy reads the variable when it is imported."""
# training and converter bring their own commands; edge never imports them, the distribution's entry points name them.
ENTRY_POINT_GROUP = "edge_sorter.commands"


class LazyGroup(TyperGroup):
    """Imports only the subcommand that is called, so that `sorter run` starts fast on a small Pi."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [*COMMANDS, *sorted(_workstation_commands())]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name in COMMANDS:
            if cmd_name == LEARNING:
                os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
            module = importlib.import_module(f"edge.cli.commands.{cmd_name}")
            target = getattr(module, "app", None) or module.command
        elif cmd_name in (others := _workstation_commands()):
            target = load_command(others[cmd_name])
        else:
            return None
        command = get_command(_as_app(target))
        command.name = cmd_name
        if cmd_name not in COMMANDS:
            command.short_help = short_help(command.get_short_help_str(120), others[cmd_name])
        return command


def _workstation_commands() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}


def _as_app(target: Any) -> typer.Typer:
    if isinstance(target, typer.Typer):
        return target
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command()(target)
    return app


root = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        say(f"edge-sorter {__version__}")
        raise typer.Exit


@root.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Print the version."),
) -> None:
    """Sort waste with a camera, an int8 model and a few actuators."""


def _run() -> None:
    try:
        root()
    except ModuleNotFoundError as error:
        raise missing_extra(error) or error from None


def main() -> None:
    """Run the command line; a user's mistake ends in one sentence and its own exit code."""
    prepare_streams()
    try:
        try:
            _run()
        finally:
            close_output()
    except SorterError as error:
        if not isinstance(error, ReaderGoneError):  # who went away knows
            complain(f"sorter: {error}")
        if isinstance(error, OutputError):
            give_up_output()
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        if not _is_of_an_argument(error, sys.argv[1:]):
            raise
        complain(f"sorter: {error.filename}: {error.strerror}; give another path")
        sys.exit(ConfigError.exit_code)


def _is_of_an_argument(error: OSError, arguments: Sequence[str]) -> bool:
    """Say whether the file that gave trouble is one that the command line names, or lies in or above one: no bug."""
    if not isinstance(error.filename, str):
        return False
    place = Path(error.filename).absolute()
    named = [Path(argument.partition("=")[2] if argument.startswith("--") else argument) for argument in arguments]
    given = [path.absolute() for path in named if path.name]
    return any(place.is_relative_to(path) or path.is_relative_to(place) for path in given)
