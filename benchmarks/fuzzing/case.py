"""What one case is given, and the ways to damage whatever it begins with."""

from __future__ import annotations

import copy
import os
import random
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Case:
    """Its own source of chance, by which it can be repeated alone, and its own empty folder."""

    chance: random.Random
    folder: Path


Prepare = Callable[[Path], Callable[[Case], object]]
"""Makes in a folder what all cases of a target share, and returns what runs one of them.

A case ends by returning or by a SorterError; AssertionError says what else is wrong.
"""

WORDS = [
    b"\x00", b"\xff\xfe", b"nan", b"-1", b"1e400", b"99999999999999999999", b'""', b"[[", b"]]", b"{}", b"\n\n", b"../",
]  # fmt: skip
VALUES: list[Any] = [
    "", "x" * 70_000, "../../etc/passwd", "\x00", [], {}, [[]], {"": {}}, True, -1, 0, 1, 5, 10**30, -0.0, 1e308,
    float("nan"), float("inf"),
]  # fmt: skip


def mutate(content: bytes, chance: random.Random) -> bytes:
    """Flip, cut, repeat, insert or swap; one to eight times."""
    changed = bytearray(content)
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(len(changed) + 1)
        length = chance.choice((1, 1, 2, 8, 64, 512))
        match chance.randrange(6):
            case 0 if changed:
                changed[at % len(changed)] ^= 1 << chance.randrange(8)
            case 1:
                del changed[at : at + length]
            case 2:
                changed[at:at] = changed[at : at + length]
            case 3:
                changed[at:at] = chance.choice(WORDS)
            case 4:
                changed[at : at + length] = chance.randbytes(length)
            case _:
                del changed[at:]
    return bytes(changed)


def mutate_value(table: Any, chance: random.Random) -> None:
    """Put something else in the place of one to three values of a parsed file, or drop them."""
    for _ in range(chance.randint(1, 3)):
        at = table
        while True:
            keys = list(at) if isinstance(at, dict) else list(range(len(at)))
            if not keys:
                break
            key = chance.choice(keys)
            if isinstance(at[key], dict | list) and at[key] and chance.random() < 0.9:
                at = at[key]
                continue
            if chance.random() < 0.2:
                del at[key]
            else:
                at[key] = copy.deepcopy(chance.choice(VALUES))  # it may be the next to be changed
            break


def _terabyte(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


# Whatever may lie in a file's place.
THINGS: dict[str, Callable[[Path], object]] = {
    "nothing": lambda path: None,
    "a pipe": os.mkfifo,
    "a socket": lambda path: os.mknod(path, stat.S_IFSOCK | 0o600),
    "a folder": lambda path: (path / "deep").mkdir(parents=True),
    "an endless device": lambda path: path.symlink_to("/dev/zero"),
    "an empty device": lambda path: path.symlink_to("/dev/null"),
    "a full device": lambda path: path.symlink_to("/dev/full"),
    "a link to nothing": lambda path: path.symlink_to("nowhere/at/all"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a link to its folder": lambda path: path.symlink_to("."),
    "an empty file": Path.touch,
    "2 MB of no text": lambda path: path.write_bytes(b"\xff" * 2_000_000),
    "a terabyte": _terabyte,
    "brackets": lambda path: path.write_text("a = " + "[" * 50_000),
}
