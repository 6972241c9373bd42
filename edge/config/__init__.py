"""The human's file: `station.toml` to a frozen Station, every problem named at once."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from edge.config.problems import explain_problems
from edge.config.station import RESIDUAL, Station
from edge.errors import ConfigError
from edge.system.text import NotTextError
from edge.system.toml import load_toml

__all__ = ["RESIDUAL", "Station", "explain_problems", "load_station", "read_toml"]


def load_station(path: Path) -> Station:
    """Read and check a station file; paths in it become absolute, relative to its folder.

    Raises:
        ConfigError: one line for each problem: where, what was got, what was expected.
    """
    table = read_toml(path)
    try:
        station = Station.model_validate(table)
    except ValidationError as error:
        lines = explain_problems(error, Station, table)
        count = "1 problem" if len(lines) == 1 else f"{len(lines)} problems"
        raise ConfigError("\n".join([f"{path}: {count}", *(f"  {line}" for line in lines)])) from None
    return _with_absolute_paths(station, path)


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        ConfigError: it is missing, unreadable, not text, or not TOML.
    """
    try:
        return load_toml(path)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; expected a station file (docs/station-file.md shows some)") from None
    except PermissionError as error:
        cure = f"sudo chmod a+r {shlex.quote(str(path))}, and a+x for the folders above it"
        raise ConfigError(f"{path}: can't be read: {error.strerror}; let it be read: {cure}") from None
    except NotTextError as error:
        raise ConfigError(f"{path}: {error}") from None
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{path}: can't be read: {reason}; expected a station file") from None


def _with_absolute_paths(station: Station, path: Path) -> Station:
    """Anchor every relative path at the station file's own folder, so that the working folder does not matter."""
    folder = path.resolve().parent

    def anchor(settings: Any, prefix: str) -> Any:
        changes: dict[str, Any] = {}
        for name in type(settings).model_fields:
            value = getattr(settings, name)
            if isinstance(value, Path):
                changes[name] = _anchored(value, folder, f"{path}: {prefix}{name}")
            elif isinstance(value, BaseModel):
                changes[name] = anchor(value, f"{prefix}{name}.")
            elif isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
                changes[name] = tuple(anchor(one, f"{prefix}{name}[{n}].") for n, one in enumerate(value))
        return settings.with_values(**changes)

    return anchor(station, "")  # type: ignore[no-any-return]


def _anchored(value: Path, folder: Path, where: str) -> Path:
    """An absolute path; links in it stay, since whose they are tells whether root may follow them."""
    try:
        place = folder / value.expanduser()
        place.resolve()
        return Path(os.path.normpath(place))
    except (RuntimeError, ValueError, OSError) as error:  # no such home, a zero byte, a loop of links
        raise ConfigError(f"{where} = {str(value)!r}: not a path: {error}") from None
