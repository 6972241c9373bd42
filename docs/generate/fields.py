"""What a pydantic model says of its fields: type with bounds, default, meaning."""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

REQUIRED = "required"
_NAMES = {
    str: "text", bool: "true or false", bytes: "base64", int: "whole number", float: "number", Path: "path", Any: "keys",
}  # fmt: skip
_BOUNDS = {"ge": "from", "gt": "above", "le": "to", "lt": "below"}


@dataclass(frozen=True, slots=True)
class Value:
    """One field that holds no further model; `default` as TOML and JSON write it, "required", "unset" or "empty".

    `form` is a pattern that the text must match, or how long it or a list may be.
    """

    name: str
    type: str
    default: str
    description: str
    examples: tuple[Any, ...] = ()
    form: str = ""


def values(model: type[BaseModel]) -> Iterator[Value]:
    """Yield the fields of a model that hold no further model."""
    for name, field in model.model_fields.items():
        if not models_in(field.annotation):
            kind = type_name(field.annotation, field.metadata)
            examples, form = tuple(field.examples or ()), _form(field.annotation, field.metadata)
            yield Value(name, kind, default_text(field), field.description or "", examples, form)


def full_type(value: Value) -> str:
    """Return a field's type with all that is asked of its values."""
    return ", ".join(part for part in (value.type, value.form) if part)


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """Return the models that a field holds: several where its `type` says which."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in models_in(argument)]


def tables(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, list[type[BaseModel]]]]:
    """Yield the path of every table of a file and the models that it may have, from the top down.

    Arrays of tables have brackets, tables of tables a NAME: `bins[]`, `inputs.NAME`.
    """
    if not path:
        yield "", [model]
    for name, field in model.model_fields.items():
        if found := models_in(field.annotation):
            inner = f"{path}.{name}{brackets(field.annotation)}".lstrip(".")
            yield inner, found
            for one in found:
                yield from tables(one, inner)


def header(path: str) -> str:
    """Return a table's header as a TOML file has it: `[belt.encoder]`, `[[bins]]`."""
    return f"[[{path[:-2]}]]" if path.endswith("[]") else f"[{path}]"


def brackets(annotation: Any) -> str:
    return "[]" if get_origin(annotation) is tuple else ".NAME" if is_mapping(annotation) else ""


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
    if origin is tuple and Ellipsis not in arguments:
        return f"list of {len(arguments)} numbers"
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


def _form(annotation: Any, metadata: Iterable[Any]) -> str:
    """Return what pydantic asks of a text, or of the texts in a list or table, and of their number."""
    arguments = [argument for argument in get_args(annotation) if argument is not type(None)]
    if get_origin(annotation) is Annotated:
        return _form(arguments[0], [*metadata, *arguments[1:]])
    found = []
    for entry in (inner for outer in metadata for inner in (outer, *getattr(outer, "metadata", ()))):
        if pattern := getattr(entry, "pattern", None):
            found.append(f"`{pattern}`")
        for name, words in (("min_length", "at least"), ("max_length", "at most")):
            if length := getattr(entry, name, None):
                found.append(f"{words} {length} {'characters' if annotation is str else 'entries'}")
    found += [_form(argument, ()) for argument in arguments if get_origin(annotation) is not Literal]
    return ", ".join(dict.fromkeys(part for part in found if part))


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
    return f"[{', '.join(map(str, value))}]" if isinstance(value, tuple) and value else "empty"
