"""Every key of a station file: its type, range, unit, default, meaning, and an example of each table."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

import edge
from edge.config.base import Name
from edge.config.station import Station
from generate.fields import REQUIRED, Value, brackets, full_type, header, models_in, tables, values
from generate.markdown import anchored, code, document, fenced, sentence, table

UNITS = (
    "frames per second", "items per minute", "steps per second squared", "steps per second", "grey levels", "microseconds",
    "mm per pixel", "mm/s", "mm2", "mm", "ms", "MB", "days", "minutes", "kelvin", "pixels",
)  # fmt: skip
_UNIT = re.compile(rf", ({'|'.join(UNITS)})(?=$|[,;] | \()")
_TOP = "At the top"
STATION = dict(tables(Station))
"""The models of every table, by its path."""


@dataclass(frozen=True, slots=True)
class Row:
    """One key: `table` is the path of its table ("" at the top), `kinds` the types of it that have the key, if not all."""

    table: str
    value: Value
    kinds: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The whole path; arrays of tables have brackets, as in `bins[].name`."""
        only = f" ({', '.join(self.kinds)})" if self.kinds else ""
        return f"{self.table}.{self.value.name}{only}".lstrip(".")

    @property
    def unit(self) -> str:
        found = _UNIT.search(self.value.description)
        return found[1] if found else ""

    @property
    def meaning(self) -> str:
        return _UNIT.sub("", self.value.description, count=1)


def settings_rows() -> list[Row]:
    """Return all keys of a station file in the order of the models."""
    return list(_rows(Station, ""))


def _rows(model: type[BaseModel], path: str) -> Iterator[Row]:
    own = {value.name: value for value in values(model)}
    for name, field in model.model_fields.items():
        if name in own:
            yield Row(path, own[name])
            continue
        inner = f"{path}.{name}{brackets(field.annotation)}".lstrip(".")
        models = models_in(field.annotation)
        yield from _rows(models[0], inner) if len(models) == 1 else _union_rows(models, inner)


def _union_rows(models: list[type[BaseModel]], path: str) -> Iterator[Row]:
    """Rows of several models of which one is chosen by its `type`: what they share comes once."""
    kinds = {_kind(model): {row.value.name: row for row in _rows(model, path)} for model in models}
    first = next(iter(kinds.values()))["type"].value
    yield Row(path, Value("type", ", ".join(kinds), first.default, first.description))
    having: dict[Value, list[str]] = {}
    for kind, rows in kinds.items():
        for row in rows.values():
            if row.value.name != "type":
                having.setdefault(row.value, []).append(kind)
    for value, some in having.items():
        yield Row(path, value, () if len(some) == len(kinds) else tuple(some))


def _kind(model: type[BaseModel]) -> str:
    return ", ".join(get_args(model.model_fields["type"].annotation))


@cache
def shipped() -> Mapping[tuple[str, str, str], Any]:
    """Return a value for every key that one of the shipped station files sets, by table, type and name."""
    found: dict[tuple[str, str, str], Any] = {}
    folder = Path(edge.__file__).parent / "stations"
    for path in (folder / "conveyor.toml", *sorted(folder.glob("*.toml"))):
        _collect(tomllib.loads(path.read_text("utf-8")), "", found)
    return found


def _collect(content: Mapping[str, Any], path: str, found: dict[tuple[str, str, str], Any]) -> None:
    for name, value in content.items():
        inner = f"{path}.{name}".lstrip(".")
        if isinstance(value, dict) and inner in STATION:
            _collect(value, inner, found)
        elif isinstance(value, list) and value and f"{inner}[]" in STATION:
            for one in value:
                _collect(one, f"{inner}[]", found)
        else:
            found.setdefault((path, str(content.get("type", "")), name), value)


def example(row: Row, kind: str = "") -> Any:
    """Return a value that the key may have: its own example, else its default, else one of a shipped station file."""
    if row.value.name == "type":
        return kind
    if row.value.examples:
        return row.value.examples[0]
    if row.value.default not in (REQUIRED, "unset", "empty"):
        return tomllib.loads(f"value = {row.value.default}")["value"]
    return shipped().get((row.table, kind, row.value.name))


def page() -> str:
    """Return the page's text."""
    rows = settings_rows()
    parts = []
    for path, models in STATION.items():
        mine = [row for row in rows if row.table == path]
        parts.append(f"## {code(header(path)) if path else _TOP} {{ #{_anchor(path) or 'top'} }}")
        parts += _one(path, models[0], mine) if len(models) == 1 else _several(path, models, mine)
    return document(*parts)


def _one(path: str, model: type[BaseModel], rows: list[Row]) -> list[str]:
    return [sentence(model.__doc__), _table(rows), _example(path, rows)]


def _several(path: str, models: list[type[BaseModel]], rows: list[Row]) -> list[str]:
    parts = ["Of every type:", _table([row for row in rows if not row.kinds])]
    for model in models:
        kind = _kind(model)
        own = [row for row in rows if kind in row.kinds]
        parts += [f'### `type = "{kind}"` {{ #{_anchor(path)}-{kind} }}', sentence(model.__doc__)]
        parts += [_table(own, kind) if own else "", _example(path, [r for r in rows if not r.kinds] + own, kind)]
    return parts


def _table(rows: list[Row], kind: str = "") -> str:
    lines = [
        [
            anchored(key_anchor(row, kind), code(row.value.name)),
            row.meaning,
            _type(row.value),
            row.unit,
            row.value.default if row.value.default in (REQUIRED, "unset", "empty") else code(row.value.default),
        ]
        for row in rows
    ]
    return table(("key", "meaning", "type and range", "unit", "default"), lines)


def _type(value: Value) -> str:
    """Return type and range; the page's introduction says what a name is."""
    pattern = f"`{get_args(Name)[1].metadata[0].pattern}`"
    return full_type(value).replace(f"text, {pattern}", "name").replace(pattern, "each with a name")


def key_anchor(row: Row, kind: str = "") -> str:
    """Return what links to a key name, as in `belt.speed_mm_per_s` or `camera.v4l2.device`."""
    return ".".join(part for part in (_anchor(row.table), kind, row.value.name) if part)


def _anchor(path: str) -> str:
    return path.replace("[]", "").replace(".NAME", "")


def _example(path: str, rows: list[Row], kind: str = "") -> str:
    lines = [header(path.replace(".NAME", ".jam"))] if path else []
    for row in rows:
        value = example(row, kind)
        if value != "":
            lines.append(f"{row.value.name} = {_toml(value)}")
    return fenced("toml", "\n".join(lines))


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{name} = {_toml(inner)}' for name, inner in value.items())} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value)
