"""Every key of a training recipe."""

from __future__ import annotations

from pydantic import BaseModel

from generate.fields import REQUIRED, full_type, header, tables, values
from generate.markdown import anchored, code, document, sentence, table
from training.derived import Derived
from training.recipe import Recipe


def page() -> str:
    """Return the page's text: a table that has several places in the file comes once."""
    places: dict[type[BaseModel], list[str]] = {}
    for path, (model,) in tables(Recipe):
        places.setdefault(model, []).append(path)
    parts = [_part(model, sorted(paths, key=lambda path: path.count("."))) for model, paths in places.items()]
    return document(*parts, _derived())


def _part(model: type[BaseModel], paths: list[str]) -> str:
    title = ", ".join(code(header(path)) for path in paths if path) or "At the top"
    return document(
        f"## {title} {{ #{paths[0].strip('[]').replace('.', '-') or 'top'} }}",
        sentence(model.__doc__),
        _places(paths),
        _table(model, paths[0].strip("[]")),
    )


def _derived() -> str:
    return document("## From another recipe { #derived }", sentence(Derived.__doc__), _table(Derived, "derived"))


def _table(model: type[BaseModel], place: str) -> str:
    rows = [
        [
            anchored(f"{place}.{value.name}".lstrip("."), code(value.name)),
            value.description,
            full_type(value),
            value.default if value.default in (REQUIRED, "unset", "empty") else code(value.default),
        ]
        for value in values(model)
    ]
    return table(("key", "meaning", "type and range", "default"), rows)


def _places(paths: list[str]) -> str:
    """Return what each place of a table is for, where the recipe says so."""
    about = {
        path: Recipe.model_fields[path.strip("[]")].description
        for path in paths
        if path.strip("[]") in Recipe.model_fields
    }
    return "\n".join(f"- {code(header(path))}: {text}" for path, text in about.items() if text)
