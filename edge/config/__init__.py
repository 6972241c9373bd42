"""The human's file: `station.toml` to a frozen Station, every problem named at once."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from edge.config.station import RESIDUAL, Station
from edge.errors import ConfigError

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
        return tomllib.loads(path.read_bytes().decode("utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; expected a station file (see the examples in the README)") from None
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not a text file (byte {error.start} is not UTF-8)") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None


def explain_problems(error: ValidationError, model: type[BaseModel], table: dict[str, Any]) -> list[str]:
    """Return one plain line for each problem: `key = value: what is wrong (did you mean ...?)`."""
    lines: list[str] = []
    for problem in error.errors(include_url=False):
        location = [part for part in problem["loc"] if not _is_union_tag(part, problem["loc"], table)]
        key = _dotted(location) or "station"
        if problem["type"] == "extra_forbidden":
            lines.append(f"{key}: unknown key{_suggestion(location, model)}")
        elif problem["type"] == "missing":
            lines.append(f"{key}: missing; expected {_description(location, model) or 'a value'}")
        elif problem["type"] == "value_error":
            prefix = "" if key == "station" else f"{key}: "
            lines += [f"{prefix}{line}" for line in str(problem["ctx"]["error"]).splitlines()]
        elif problem["type"].startswith("union_tag"):
            expected = problem.get("ctx", {}).get("expected_tags", "")
            lines.append(f"{key}.type: expected one of {expected}")
        else:
            lines.append(f"{key} = {problem['input']!r}: {problem['msg'][0].lower()}{problem['msg'][1:]}")
    return lines


def _is_union_tag(part: int | str, location: tuple[int | str, ...], table: dict[str, Any]) -> bool:
    """Say whether pydantic put a union's tag into the location; it is in no file."""
    at: Any = table
    for step in location:
        if isinstance(at, dict) and step not in at and at.get("type") == step:
            return step == part
        try:
            at = at[step]
        except (KeyError, IndexError, TypeError):
            return False
    return False


def _dotted(location: list[int | str]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f"{'.' if text else ''}{part}"
    return text


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models_in(argument)]


def _candidates(location: list[int | str], model: type[BaseModel]) -> list[type[BaseModel]]:
    """Return the settings models that the last key of the location may belong to."""
    models = [model]
    for part in location[:-1]:
        if isinstance(part, str):
            fields = [m.model_fields[part] for m in models if part in m.model_fields]
            models = [found for field in fields for found in _models_in(field.annotation)]
    return models


def _suggestion(location: list[int | str], model: type[BaseModel]) -> str:
    known = sorted({name for m in _candidates(location, model) for name in m.model_fields})
    close = difflib.get_close_matches(str(location[-1]), known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known keys: {', '.join(known)}"


def _description(location: list[int | str], model: type[BaseModel]) -> str:
    for candidate in _candidates(location, model):
        field = candidate.model_fields.get(str(location[-1]))
        if field is not None and field.description:
            return field.description
    return ""


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
        return settings.model_copy(update=changes)

    return anchor(station, "")  # type: ignore[no-any-return]


def _anchored(value: Path, folder: Path, where: str) -> Path:
    try:
        return (folder / value.expanduser()).resolve()
    except (RuntimeError, ValueError, OSError) as error:  # no such home, a zero byte, a loop of links
        raise ConfigError(f"{where} = {str(value)!r}: not a path: {error}") from None
