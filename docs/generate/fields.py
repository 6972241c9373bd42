"""What a pydantic model says of its fields: type with bounds, default, meaning."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

REQUIRED = "required"
_NAMES = {str: "text", bool: "true or false", int: "whole number", float: "number", Path: "path"}
_BOUNDS = {"ge": "from", "gt": "above", "le": "to", "lt": "below"}


@dataclass(frozen=True, slots=True)
class Value:
    """One field that holds no further model; `default` as TOML and JSON write it, "required" or "unset"."""

    name: str
    type: str
    default: str
    description: str
    examples: tuple[Any, ...]


def values(model: type[BaseModel]) -> Iterator[Value]:
    """Yield the fields of a model that hold no further model."""
    for name, field in model.model_fields.items():
        if not models_in(field.annotation):
            kind = type_name(field.annotation, field.metadata)
            yield Value(name, kind, default_text(field), field.description or "", tuple(field.examples or ()))


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """Return the models that a field holds: several where its `type` says which."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in models_in(argument)]


def is_mapping(annotation: Any) -> bool:
    return get_origin(annotation) in (dict, Mapping)


def type_name(annotation: Any, metadata: list[Any]) -> str:
    """Return a type with its bounds, for people."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        inner = [*metadata, *(m for a in arguments[1:] for m in (a.metadata if isinstance(a, FieldInfo) else [a]))]
        return type_name(arguments[0], inner)
    if origin in (Union, types.UnionType):
        return " or ".join(type_name(a, metadata) for a in arguments if a is not type(None))
    if origin is Literal:
        return ", ".join(map(str, arguments))
    if origin is tuple:
        return f"list of {type_name(arguments[0], [])}"
    if is_mapping(annotation):
        return f"table of {type_name(arguments[1], [])}"
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
    return f"{value:.0f}" if value == int(value) and abs(value) < 1e9 else f"{value:g}"


def default_text(field: FieldInfo) -> str:
    """Return what holds where a field is not given."""
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
