"""What may leave a machine in a report: numbers, and words that the program itself brought.

Nobody can list all that is private, so nothing is looked for: a word that is not the program's own is left out.
"""

from __future__ import annotations

import ast
import builtins
import errno
import os
import pwd
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from edge.config import Station

LEFT_OUT = "[...]"
SHIPPED_MODELS = Path(__file__).resolve().parents[2] / "model"
_MOST = 300  # characters of one text
# A number with its unit, a version, a device of the kernel's. No address: four numbers with points are one.
_PLAIN = re.compile(r"[+-]?\d{1,5}(\.\d{1,4}){0,2}(ms|us|s|h|MB|GB|mm|px|B|%)?|gpiochip\d{1,2}|video\d{1,2}")
_EDGES = " \t'\"`(),;:.!?[]{}<>=*"
_VERSION = re.compile(r"[0-9A-Za-z.+~:_-]{1,60}")
# Parts of a version or of a kernel's name that Debian, Raspberry Pi and the kernel give themselves.
_VERSION_PART = re.compile(
    r"(20\d{6}|\d{1,5}([.:]\d{1,5}){0,4})((a|b|rc|dev|post|\.post|\.dev)\d{1,3})?|"
    r"((rpt|rpi|deb|bpo|v|rc|ubuntu|dfsg|really|ds|git|u|b|post|dev|nmu|x)\d{0,8}){1,2}|"
    r"amd64|arm64|armhf|aarch64|x86|generic|cloud|raspi|rt|pre"
)
_PRODUCT = re.compile(r"[\w(][\w.+()/@-]{0,23}")
_SERIAL = re.compile(
    r"(?=.*\d)[0-9A-Za-z]{9,}|\d{6,}|[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){3,}|.*[@\\].*|.*\d\.\d+\.\d+\.\d.*"
)
# What Python, the dynamic linker and gpiozero say besides the program's own words, which are all the texts in `edge`.
_OTHERS = """rev Raspberry Pi Zero module named cannot import name failed undefined symbol invalid ELF header wrong class shared
object file core multiarray umath numpy.core.multiarray numpy._core.multiarray libcamera libgpiod lgpio busy timeout"""
_SHARED_ACCOUNTS = frozenset({"root", "sorter"})
_FIRST_PERSON = 1000  # the lowest user id that Debian gives to people


@dataclass(frozen=True, slots=True)
class Sieve:
    """Lets through what says nothing about whose machine it is.

    Args:
        names: of the machine, its people and its station: left out even where they are words of the program.
        more: words besides the program's that may pass.
    """

    names: frozenset[str]
    more: frozenset[str] = frozenset()

    def text(self, text: str) -> str:
        """Return what the program said, without the words that it did not bring itself."""
        kept: list[str] = []
        for word in text[:_MOST].split():
            passed = word if self._may_pass(word.strip(_EDGES)) else LEFT_OUT
            if passed != LEFT_OUT or kept[-1:] != [LEFT_OUT]:
                kept.append(passed)
        return " ".join(kept)

    def version(self, text: str) -> str:
        """Return a version without the parts that somebody gave a build of their own."""
        if not _VERSION.fullmatch(text):
            return LEFT_OUT
        parts = re.split(r"([+~_-])", text)
        return "".join(
            part if n % 2 or (_VERSION_PART.fullmatch(part) and part not in self.names) else LEFT_OUT
            for n, part in enumerate(parts)
        )

    def product(self, text: str) -> str:
        """Return the name of a product as its maker gave it, without what may be the number of one piece."""
        words = text.replace("\0", " ").split()[:12]
        kept = [w for w in words if _PRODUCT.fullmatch(w) and not _SERIAL.fullmatch(w) and w not in self.names]
        return " ".join(kept)

    def _may_pass(self, word: str) -> bool:
        if not word or _PLAIN.fullmatch(word):
            return True
        return word not in self.names and (word in self.more or word in _own_words())


def build_sieve(station: Station | None, root: Path = Path("/")) -> Sieve:
    """Return the sieve of this machine; `root` is where its files are looked for."""
    names = set(_account_names(root)) | {
        os.uname().nodename,
        os.environ.get("SUDO_USER", ""),
        _first_line(root / "etc/hostname"),
    }
    if station is not None:
        names.add(station.name)
    dashed = {part for name in names for part in (name, name.partition(".")[0])}
    return Sieve(
        frozenset(dashed - {""} - _SHARED_ACCOUNTS), frozenset(path.stem for path in SHIPPED_MODELS.glob("*.sorter"))
    )


def _account_names(root: Path) -> Iterator[str]:
    """Yield the names of the people with an account."""
    if root == Path("/"):
        yield from (account.pw_name for account in pwd.getpwall() if account.pw_uid >= _FIRST_PERSON)
        return
    for line in _read(root / "etc/passwd").splitlines():
        fields = line.split(":")
        if len(fields) > 2 and fields[2].isdigit() and int(fields[2]) >= _FIRST_PERSON:
            yield fields[0]


@cache
def _own_words() -> frozenset[str]:
    """Return every word of the texts in `edge`, and those of Python's and the system's errors."""
    texts = [os.strerror(number) for number in errno.errorcode]
    texts += [*vars(builtins), *(member.name for member in signal.Signals)]
    for path in Path(__file__).resolve().parents[2].rglob("*.py"):
        texts += _literals(path)
    return frozenset(bare for text in texts for word in text.split() if (bare := word.strip(_EDGES)))


def _literals(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _first_line(path: Path) -> str:
    return _read(path).partition("\n")[0].strip()


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""
