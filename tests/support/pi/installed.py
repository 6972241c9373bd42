"""The product in a root file system of Debian, put there by the commands of `docs/install.md` and no others."""

from __future__ import annotations

import hashlib
import re
import shlex
import shutil
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from zipfile import ZipFile

from support.paths import ROOT
from support.pi.debian import CACHE, Release, built, run
from support.pi.emulator import Machine
from support.wheels import build_wheel

PAGE = ROOT / "docs" / "install.md"
FOLDER = "/opt/edge-sorter"
# What a shell and a virtual environment need of Debian, and a Pi has.
PLAIN = (
    "python3",
    "base-passwd",
    "libstdc++6",
    "libc-bin",
    "coreutils",
    "bash",
    "dash",
    "findutils",
    "sed",
    "grep",
    "ca-certificates",
)
# Only Raspberry Pi's own archive has these. Of picamera2 it's the NumPy that pip's packages must agree with.
STANDS_IN = {"python3-picamera2": "python3-numpy", "python3-lgpio": None}
# Debian's alternatives are set by scripts, which a root that is only unpacked has not run.
ALTERNATIVES = {"libblas.so.3": "blas", "liblapack.so.3": "lapack"}


def documented(heading: str) -> list[list[str]]:
    """The commands below a paragraph of the page that begins with `**HEADING.**`, in words, without `sudo`."""
    text = PAGE.read_text()
    block = re.search(rf"\*\*{heading}\.\*\*.*?```console\n(.*?)```", text, re.DOTALL)
    if block is None:
        raise ValueError(f"{PAGE} has no commands below **{heading}.**")
    lines = [line.removeprefix("$ ") for line in block.group(1).splitlines() if line.startswith("$ ")]
    return [[word for word in shlex.split(line) if word != "sudo"] for line in lines]


@dataclass(frozen=True, slots=True)
class Install:
    """A release as the page names it, and the commands that install there.

    Args:
        suite: Debian's name of the release.
        extra: of the wheel; the page's is `edge`.
        architecture: of the root; amd64's runs on this machine itself, for comparison.
    """

    suite: str
    extra: str = "edge"
    architecture: str = "arm64"

    @property
    def apt(self) -> list[str]:
        """The packages that the page has apt install, as far as Debian's own archive has them or what stands in."""
        (command,) = (words for words in self._commands() if words[0] == "apt")
        named = [word for word in command[2:] if not word.startswith("-")]
        packages = [STANDS_IN.get(name, name) for name in named]
        return [name for name in packages if name is not None]

    @property
    def steps(self) -> list[list[str]]:
        """The other commands, with the wheel's path for its name, as the page says to while there is no index with it."""
        steps = [words for words in self._commands() if words[0] != "apt"]
        wanted = f"/wheel/{wheel().name}[{self.extra}]"
        return [[wanted if word == "edge-sorter[edge]" else word for word in words] for words in steps]

    def _commands(self) -> list[list[str]]:
        return documented(self.suite.capitalize())

    def bare(self) -> Path:
        """The root before: what apt brings."""
        return Release(self.suite, self.architecture).root(*PLAIN, *self.apt)

    def root(self) -> Path:
        """The root with the product."""
        bare = self.bare()
        recipe = f"{bare.name} {self.steps} {digest(wheel())}"

        def install(folder: Path) -> None:
            run(["cp", "-a", f"{bare}/.", folder])
            _configure(folder)
            machine = Machine(folder, shared={wheel().parent: "/wheel"}, kept=True)
            said = [machine.must(words, timeout_s=2700) for words in self.steps]
            (folder / "opt" / "said.txt").write_text("".join(said))

        return built(f"installed-{self.suite}-{self.architecture}-{self.extra}", recipe, install)

    def said(self) -> str:
        """What the commands printed."""
        return (self.root() / "opt" / "said.txt").read_text()

    def megabytes(self, *options: str) -> int:
        """What the installed product takes, as `du -sm` counts with the options."""
        return int(run(["du", "-sm", *options, self.root() / FOLDER.lstrip("/")]).split()[0])


@cache
def wheel() -> Path:
    """The product's wheel, in a folder of its own; the same bytes give the same folder."""
    with tempfile.TemporaryDirectory(dir=CACHE, prefix=".wheel-") as folder:
        made = build_wheel(Path(folder))
        place = built("wheel", digest(made), lambda place: shutil.copy(made, place) and None)
    return next(place.glob("*.whl"))


def digest(path: Path) -> str:
    """Of a wheel's files, whatever day it was packed on."""
    whole = hashlib.sha256()
    with ZipFile(path) as archive:
        for name in sorted(archive.namelist()):
            whole.update(name.encode() + archive.read(name))
    return whole.hexdigest()


def _configure(root: Path) -> None:
    """What Debian's own scripts would have done to a root that was only unpacked, as far as the product meets it."""
    for name in ("passwd", "group"):
        shutil.copy(root / "usr" / "share" / "base-passwd" / f"{name}.master", root / "etc" / name)
    (libraries,) = (root / "usr" / "lib").glob("*-linux-gnu")
    for name, folder in ALTERNATIVES.items():
        if (libraries / folder / name).exists() and not (libraries / name).exists():
            (libraries / name).symlink_to(f"{folder}/{name}")
    (root / "usr" / "local" / "bin").mkdir(parents=True, exist_ok=True)
