"""Every command with its arguments, options, defaults and help, and every exit code."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from typer.main import get_command

from edge import errors
from edge.cli import root
from edge.errors import OTHER_EXIT_CODES, SorterError
from generate.markdown import code, document, fenced, paragraphs, table

_NAMES = {str: "text", int: "whole number", float: "number", Path: "path"}


@dataclass(frozen=True, slots=True)
class Command:
    """One command: `path` is what is typed, as in `sorter journal list`."""

    path: str
    target: Any

    @property
    def parameters(self) -> list[Any]:
        return [parameter for parameter in self.target.params if not getattr(parameter, "hidden", False)]

    @property
    def arguments(self) -> list[Any]:
        return [parameter for parameter in self.parameters if not _is_option(parameter)]

    @property
    def options(self) -> list[Any]:
        return [parameter for parameter in self.parameters if _is_option(parameter)]


def commands() -> list[Command]:
    """Return all commands in the order of `sorter --help`, each before its subcommands."""
    return list(_commands(get_command(root), "sorter", None))


def _commands(target: Any, path: str, parent: Any) -> Iterator[Command]:
    yield Command(path, target)
    if hasattr(target, "list_commands"):
        context = target.make_context(path.split()[-1], [], parent=parent, resilient_parsing=True)
        for name in target.list_commands(context):
            yield from _commands(target.get_command(context, name), f"{path} {name}", context)


def exit_codes() -> dict[int, str]:
    """Return the meaning of every exit code, smallest first."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, SorterError)]
    own = {
        kind.exit_code: kind.__doc__ or "" for kind in kinds if "exit_code" in vars(kind) and kind is not SorterError
    }
    return dict(sorted({**OTHER_EXIT_CODES, **own}.items()))


def page() -> str:
    """Return the page's text."""
    first, *others = commands()
    codes = table(("exit code", "meaning"), ([str(number), text] for number, text in exit_codes().items()))
    parts = [f"{'#' * len(command.path.split())} {code(command.path)}\n\n{_about(command)}" for command in others]
    return document("Of `sorter` itself:", _options(first), *parts, "## Exit codes", codes)


def _about(command: Command) -> str:
    arguments = [_usage(parameter) for parameter in command.arguments]
    inner = "COMMAND" if hasattr(command.target, "list_commands") else ""
    typed = " ".join(part for part in (command.path, "[OPTIONS]", *arguments, inner) if part)
    return document(
        paragraphs(command.target.help), fenced("console", f"$ {typed}"), _arguments(command), _options(command)
    )


def _usage(parameter: Any) -> str:
    name = _metavar(parameter)
    return name if parameter.required else f"[{name}]"


def _arguments(command: Command) -> str:
    rows = [[code(_metavar(p)), p.help or "", _value(command, p)] for p in command.arguments]
    return table(("argument", "meaning", "value"), rows) if rows else ""


def _options(command: Command) -> str:
    rows = [[_names(p), p.help or "", _value(command, p)] for p in command.options]
    return table(("option", "meaning", "value"), rows) if rows else ""


def _is_option(parameter: Any) -> bool:
    return any(name.startswith("-") for name in parameter.opts)


def _metavar(parameter: Any) -> str:
    return parameter.metavar or f"{str(parameter.name).upper()}{'...' if parameter.nargs == -1 else ''}"


def _names(parameter: Any) -> str:
    return ", ".join(code(name) for name in (*parameter.opts, *parameter.secondary_opts))


def _value(command: Command, parameter: Any) -> str:
    """Return what may be given and what holds without it."""
    hints = typing.get_type_hints(inspect.unwrap(command.target.callback), include_extras=True)
    repeated = "may be repeated" if getattr(parameter, "multiple", False) else ""
    return "; ".join(part for part in (_type_name(hints[parameter.name]), repeated, _default(parameter)) if part)


def _type_name(hint: Any, least: float | None = None, most: float | None = None) -> str:
    """Return what may be given, for people; empty for a flag."""
    if get_origin(hint) is Annotated:
        inner, about = get_args(hint)[0], get_args(hint)[1]
        return _type_name(inner, getattr(about, "min", None), getattr(about, "max", None))
    arguments = [argument for argument in get_args(hint) if argument is not type(None)]
    if get_origin(hint) is Literal:
        return ", ".join(code(argument) for argument in get_args(hint))
    if get_origin(hint) is tuple:
        return f"{len(arguments)} numbers"
    if arguments:
        return _type_name(arguments[0], least, most)
    if hint is bool:
        return ""
    if issubclass(hint, Enum):
        return ", ".join(code(str(member.value)) for member in hint)
    bounds = [f"{word} {bound:g}" for word, bound in (("from", least), ("to", most)) if bound is not None]
    return ", ".join(part for part in (_NAMES[hint], " ".join(bounds)) if part)


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    value = parameter.default
    if isinstance(value, bool) and parameter.secondary_opts:
        return f"default {code(parameter.opts[0] if value else parameter.secondary_opts[0])}"
    if value is None or value is False or value in ((), []):
        return ""
    return f"default {code(f'{value:g}' if isinstance(value, float) else str(value))}"
