"""The pieces that a bundle file is cut into, so that a push sends only those that a device has in no model of its own.

    <- {"event": "held", "size": n}, n bytes: the digests of the pieces that are here, 32 bytes each
    -> {"recipe": n, "size": m}, n bytes of JSON: what the file is made of; m bytes: what is not here
    -> {"recipe": 0, "size": 0}                too little is here: the whole file is asked for, as without pieces

A head that was taught differs from its base in some kilobytes of five megabytes. Every member is cut anew at its own
start, so that what comes before it shifts nothing: the same network, and the same golden pictures, are the same pieces.
The file is put together from them and has to have the digest that was announced; what is in it is looked at afterwards.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import chain, islice
from pathlib import Path
from typing import Any

from edge.errors import TransferError
from edge.models.quick import LARGEST
from edge.system.files import read_regular
from edge.tools.receive.connection import Connection
from edge.tools.receive.requests import Push, json_object, parse_json, whole_number

PIECE = 1 << 14
DIGEST_BYTES = 32
# A transfer in pieces begins anew where it broke off: what is longer goes as a file, which goes on.
LARGEST_REST = 1 << 20
MOST_MODELS = 4
MOST_PIECES = MOST_MODELS * (LARGEST // PIECE + 64)
"""That a device speaks of at most."""
LONGEST_RECIPE = 1 << 20
_HEADER = struct.Struct("<4s14xLLHH")

Recipe = list[int]
"""A file, from its start: the number of a piece in the device's list, or, below 0, how many of the bytes sent come next."""


@dataclass(frozen=True)
class Piece:
    """Where a piece lies."""

    path: Path
    start: int
    size: int


def cut(content: bytes) -> Iterator[tuple[int, int]]:
    """Start and end of each piece of a bundle file, or of whatever else it is; together they are all of it."""
    at = 0
    while content[at : at + 4] == b"PK\x03\x04" and at + _HEADER.size <= len(content):
        _, _, size, name, extra = _HEADER.unpack_from(content, at)
        start = at + _HEADER.size + name + extra
        if start + size > len(content):
            break
        yield at, start
        yield from _even(start, start + size)
        at = start + size
    yield from _even(at, len(content))


def _even(start: int, end: int) -> Iterator[tuple[int, int]]:
    for at in range(start, end, PIECE):
        yield at, min(at + PIECE, end)


def digest_of(piece: bytes | memoryview) -> str:
    return hashlib.sha256(piece).hexdigest()


def held_in(paths: Iterable[Path]) -> dict[str, Piece]:
    """The pieces of the first few files by digest; a file that can't be read has none."""
    found: dict[str, Piece] = {}
    for path in islice(paths, MOST_MODELS):
        try:
            content = read_regular(path, LARGEST)
        except OSError:
            continue
        for start, end in cut(content):
            # A digest is longer than what so small a piece would save.
            if end - start > 2 * DIGEST_BYTES and len(found) < MOST_PIECES:
                found.setdefault(digest_of(content[start:end]), Piece(path, start, end - start))
    return found


def recipe_for(content: bytes, held: Mapping[str, int]) -> tuple[Recipe, bytes] | None:
    """How a file comes of pieces that are held and of the bytes returned; None where sending all of it is better.

    `held` gives a piece's number in the device's list by its digest.
    """
    recipe: Recipe = []
    rest = bytearray()
    for start, end in cut(content):
        piece = content[start:end]
        number = held.get(digest_of(piece))
        if number is None:
            rest += piece
            number = -len(piece)
            if recipe and recipe[-1] < 0:
                number += recipe.pop()
        recipe.append(number)
    return (recipe, bytes(rest)) if len(rest) <= min(len(content) // 2, LARGEST_REST) else None


def checked_recipe(tree: Any, held: Sequence[Piece], size: int, sent: int) -> Recipe:
    """Return what a workstation asks for, if it makes a file of that size of what is held and what it sends.

    Raises:
        TransferError: it does not.
    """
    recipe: list[Any] = tree if isinstance(tree, list) and len(tree) <= MOST_PIECES else [None]
    if not all(type(entry) is int and -LARGEST <= entry < len(held) for entry in recipe):
        raise TransferError(
            "expected a list of the pieces that are here: install the same edge-sorter on both machines"
        )
    taken = -sum(entry for entry in recipe if entry < 0)
    made = taken + sum(held[entry].size for entry in recipe if entry >= 0)
    if made != size or taken != sent:
        raise TransferError(f"expected pieces that make {size} bytes with the {sent} that are sent, got {made}")
    return recipe


def put_together(recipe: Recipe, held: Sequence[Piece], rest: bytes, digest: str) -> bytes:
    """Return the file of that digest.

    Raises:
        TransferError: what is held here changed meanwhile, or the pieces are not those of the file.
    """
    made, at = bytearray(), 0
    for entry in recipe:
        if entry < 0:
            made += rest[at : at - entry]
            at -= entry
        else:
            made += _read(held[entry])
    content = bytes(made)
    if digest_of(content) != digest:
        raise TransferError(
            f"the pieces that were sent and those that are here don't make the file {digest[:12]}: push again"
        )
    return content


def _read(piece: Piece) -> bytes:
    try:
        with piece.path.open("rb") as file:
            file.seek(piece.start)
            return file.read(piece.size)
    except OSError:
        return b""


def models_here(store: Path) -> Iterator[Path]:
    """The files of the models that a device has: first those at work and before, the shipped one, then the others, newest first."""
    shipped = Path(str(resources.files("edge"))) / "model"
    installed = sorted(store.glob("models/*/bundle.sorter"), key=_changed, reverse=True)
    first = [store / link / "bundle.sorter" for link in ("current", "previous")]
    seen: set[Path] = set()
    for path in chain(first, sorted(shipped.glob("*.sorter"), reverse=True), installed):
        if (real := path.resolve()) not in seen and real.is_file():
            seen.add(real)
            yield real


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def fetch_in_pieces(connection: Connection, store: Path, request: Push) -> bytes | None:
    """Take what is not here of a file, and return all of it; None where the workstation would rather send it whole.

    Raises:
        TransferError: the connection was lost, or what came makes another file.
    """
    held = held_in(models_here(store))
    if not held:
        return None
    connection.say(event="held", size=DIGEST_BYTES * len(held))
    connection.write(b"".join(map(bytes.fromhex, held)))
    answer = json_object(connection.read_line())
    length, sent = whole_number(answer, "recipe", LONGEST_RECIPE), whole_number(answer, "size", LARGEST_REST)
    if length == 0:
        return None
    content = connection.read_exactly(length + sent)
    if len(content) < length + sent:
        raise TransferError(f"the connection was lost after {len(content)} of {length + sent} bytes: push again")
    pieces = list(held.values())
    recipe = checked_recipe(parse_json(content[:length]), pieces, request.size, sent)
    return put_together(recipe, pieces, content[length:], request.digest)


def numbered(content: bytes) -> dict[str, int]:
    """The pieces that a device says it holds: their numbers by digest."""
    starts = range(0, len(content), DIGEST_BYTES)
    return {content[at : at + DIGEST_BYTES].hex(): number for number, at in enumerate(starts)}


def packed(recipe: Recipe) -> bytes:
    """A recipe as it is sent."""
    return json.dumps(recipe, separators=(",", ":")).encode()


def answer_in_pieces(recipe: Recipe, rest: bytes) -> bytes:
    """What a workstation says to what a device holds; an empty recipe asks it to ask for the whole file."""
    content = packed(recipe) if recipe else b""
    return json.dumps({"recipe": len(content), "size": len(rest)}).encode() + b"\n" + content + rest
