"""What is said where packages are not installed: commands are still listed, and each says which extra brings it."""

from __future__ import annotations

import re
from importlib.metadata import EntryPoint, PackageNotFoundError, distribution
from typing import Annotated, Any

import typer

from edge.errors import SetupError

_MODULES = {"PIL": "pillow", "sklearn": "scikit-learn"}  # imported by another name than they are installed by


def extra_of(point: EntryPoint) -> str:
    """Return the extra that brings a command's packages: it is called as the folder that holds the command."""
    return point.module.partition(".")[0]


def is_installed(point: EntryPoint) -> bool:
    """Tell whether every package that a command's extra asks for is there, without importing one."""
    marker = re.compile(f"""extra == ["']{extra_of(point)}["']""")
    wanted = [text for text in (point.dist and point.dist.requires) or [] if marker.search(text)]
    return all(_has(match[0]) for text in wanted if (match := re.match(r"[\w.-]+", text)))


def how_to_install(point: EntryPoint) -> str:
    return f"pip install 'edge-sorter[{extra_of(point)}]'"


def short_help(text: str, point: EntryPoint) -> str:
    """Return a command's line in the list of commands, with what to install if it lacks something."""
    how = how_to_install(point)
    line = text if how in text or is_installed(point) else f"{text} Needs: {how}"
    return line.replace("[", r"\[")  # typer reads it as rich's markup


def load_command(point: EntryPoint) -> Any:
    """Import a command; where one of its packages is not installed, return one that ends in a sentence about it."""
    try:
        return point.load()
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] in ("edge", "training", "converter"):
            raise
        return _stand_in(SetupError(f"{point.name} needs {error.name}: {how_to_install(point)}"))


def missing_extra(error: ModuleNotFoundError) -> SetupError | None:
    """Return what to install for a module that is missing; None where no extra brings it, which is a bug."""
    module = (error.name or "").partition(".")[0]
    package = _MODULES.get(module, module).replace("_", "-").lower()
    for text in distribution("edge-sorter").requires or []:
        found = re.match(r"""([\w.-]+).*extra == ["'](edge|training|converter)["']""", text)
        if found and found[1].lower() == package:
            return SetupError(f"this needs {module}: pip install 'edge-sorter[{found[2]}]'")
    return None


def _stand_in(error: SetupError) -> typer.Typer:
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

    # Whatever arguments are given: they are those of the command that is not here.
    @app.command(help=f"Not installed: {error}", context_settings={"ignore_unknown_options": True})
    def refuse(_: Annotated[list[str] | None, typer.Argument(metavar="...", hidden=True)] = None) -> None:
        raise error

    return app


def _has(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True
