"""The members of a bundle, and every field of the JSON among them."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel

from edge.bundle.archive import GOLDEN_PHOTOS, MANIFEST, MEMBER_LIMITS, MEMBER_TEXT, SIGNATURE
from edge.bundle.manifest import Manifest
from edge.bundle.signature import Signature
from edge.inference.golden_photos import GoldenPhoto
from generate.fields import REQUIRED, full_type, tables, values
from generate.markdown import anchored, code, document, sentence, table

_MIB = 1 << 20


def parts() -> Iterator[tuple[str, str, type[BaseModel]]]:
    """Yield member, path within it and model of every JSON object of a bundle."""
    for path, models in tables(Manifest):
        yield MANIFEST, path, models[0]
    yield SIGNATURE, "", Signature
    yield GOLDEN_PHOTOS, "[]", GoldenPhoto


def page() -> str:
    """Return the page's text."""
    members = [[code(name), _size(limit), MEMBER_TEXT[name]] for name, limit in MEMBER_LIMITS.items()]
    text = ["## Members", table(("member", "at most", "what"), members)]
    for member, path, model in parts():
        level = "###" if path.strip("[]") else "##"
        anchor = f"{member}-{path}".rstrip("-[]").replace(".", "-").lower()
        text += [f"{level} {code(path if level == '###' else member)} {{ #{anchor} }}", sentence(model.__doc__)]
        text += [_fields(member, path, model)]
    return document(*text)


def _fields(member: str, path: str, model: type[BaseModel]) -> str:
    rows = [
        [
            anchored(f"{member}:{path}.{value.name}".replace(":.", ":"), code(value.name)),
            value.description,
            full_type(value),
            value.default if value.default in (REQUIRED, "unset", "empty") else code(value.default),
        ]
        for value in values(model)
    ]
    return table(("field", "meaning", "type and range", "default"), rows)


def _size(limit: int) -> str:
    return f"{limit // _MIB} MiB" if limit >= _MIB else f"{limit // 1024} KiB"
