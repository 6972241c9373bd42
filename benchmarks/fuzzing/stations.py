"""Station files: damaged, with other values, and in every encoding that an editor may save them in."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Callable
from pathlib import Path

import tomli_w

from edge.config import load_station
from edge.station.stops.safe_outputs import read_safe_outputs
from fuzzing.case import Case, mutate, mutate_value
from fuzzing.examples import STATIONS

ENCODINGS = (
    "utf-7", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be", "cp1252", "latin-1", "mac-roman", "cp437",
    "cp037", "koi8-r", "shift-jis", "gb18030",
)  # fmt: skip
LINE_ENDS = ("\n", "\r\n", "\r", "\x0b", "\x85", "\u2028", "\n\x00", "\n\x1a")
NO_UTF_8 = (b"\xc0\xbd", b"\xed\xa0\x80=", b"=\xff", b"\xf5=", b"=\xef\xbb\xbf")
COMMENT = "# Fließband „Süd“ – линия 3, 分别\n"


def station(folder: Path) -> Callable[[Case], None]:
    """What drives the pins after a crash understands what it can of any file; the program takes or refuses it."""

    def run(case: Case) -> None:
        path, chance = case.folder / "station.toml", case.chance
        content = chance.choice(sorted(STATIONS.glob("*.toml"))).read_bytes()
        match chance.randrange(4):
            case 0:
                content = mutate(content, chance)
            case 1:
                table = tomllib.loads(content.decode())
                mutate_value(table, chance)
                content = tomli_w.dumps(table).encode()
            case 2:
                content = _encoded(content.decode(), chance)
            case _:
                content = mutate(_encoded(content.decode(), chance), chance)
        path.write_bytes(content)
        read_safe_outputs(path)
        load_station(path)

    return run


def _encoded(text: str, chance: random.Random) -> bytes:
    text = COMMENT + text
    match chance.randrange(3):
        case 0:
            return text.encode(chance.choice(ENCODINGS), "replace")
        case 1:
            return text.replace("\n", chance.choice(LINE_ENDS)).encode(chance.choice(("utf-8", "utf-8-sig")))
        case _:
            return text.encode().replace(b"=", chance.choice(NO_UTF_8), chance.choice((1, -1)))
