"""Every setting with its key, type, default and meaning, read from the models themselves."""

from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from edge.config.station import Station

REQUIRED = "required"
_NAMES = {str: "text", bool: "true or false", int: "whole number", float: "number", Path: "path"}
_BOUNDS = {"ge": "from", "gt": "above", "le": "to", "lt": "below"}


@dataclass(frozen=True, slots=True)
class Row:
    """One setting: `key` as it is written in the file, `default` as TOML writes it, "required" or "unset"."""

    key: str
    type: str
    default: str
    description: str


def settings_rows() -> list[Row]:
    """Return all settings of a station file in the order of the models.

    Arrays of tables have brackets: `bins[].name`. A setting that only some kinds of a table have names them:
    `camera.path (video, folder)`.
    """
    return list(_rows(Station, ""))


def _rows(model: type[BaseModel], prefix: str) -> Iterator[Row]:
    for name, field in model.model_fields.items():
        key = f"{prefix}{name}"
        models = list(_models(field.annotation))
        origin = get_origin(field.annotation)
        brackets = "[]" if origin is tuple else ".NAME" if origin is dict else ""
        if not models:
            yield Row(key, _type_name(field.annotation, field.metadata), _default(field), field.description or "")
        elif len(models) == 1:
            yield from _rows(models[0], f"{key}{brackets}.")
        else:
            yield from _union_rows(models, f"{key}{brackets}.")


def _union_rows(models: list[type[BaseModel]], prefix: str) -> Iterator[Row]:
    """Rows of several models of which one is chosen by its `type`: what they share comes once."""
    kinds = {_kind(model): {row.key: row for row in _rows(model, "")} for model in models}
    first = next(iter(kinds.values()))["type"]
    yield Row(f"{prefix}type", ", ".join(kinds), first.default, first.description)
    having: dict[Row, list[str]] = {}
    for kind, rows in kinds.items():
        for row in rows.values():
            if row.key != "type":
                having.setdefault(row, []).append(kind)
    for row, some in having.items():
        only = "" if len(some) == len(kinds) else f" ({', '.join(some)})"
        yield Row(f"{prefix}{row.key}{only}", row.type, row.default, row.description)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    else:
        for argument in get_args(annotation):
            yield from _models(argument)


def _kind(model: type[BaseModel]) -> str:
    return ", ".join(get_args(model.model_fields["type"].annotation))


def _type_name(annotation: Any, metadata: list[Any]) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        inner = [*metadata, *(m for a in arguments[1:] for m in (a.metadata if isinstance(a, FieldInfo) else [a]))]
        return _type_name(arguments[0], inner)
    if origin in (Union, types.UnionType):
        return " or ".join(_type_name(a, metadata) for a in arguments if a is not type(None))
    if origin is Literal:
        return ", ".join(map(str, arguments))
    if origin is tuple:
        return f"list of {_type_name(arguments[0], [])}"
    if origin is dict:
        return f"table of {_type_name(arguments[1], [])}"
    return f"{_NAMES[annotation]}{_bounds(metadata)}"


def _bounds(metadata: list[Any]) -> str:
    found: dict[str, str] = {}
    for entry in metadata:
        for key, word in _BOUNDS.items():
            value = getattr(entry, key, None)
            if value is not None:
                found[key] = f"{word} {_number(value)}"
    return "" if not found else f", {' '.join(found[key] for key in _BOUNDS if key in found)}"


def _number(value: float) -> str:
    return f"{value:.0f}" if value == int(value) else f"{value:g}"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return REQUIRED
    value = field.default
    if value is None:
        return "unset"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, str | Path):
        return f'"{value}"'
    return "empty"
