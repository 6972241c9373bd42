"""Debian of another release or processor, in folders of its own: packages fetched, root file systems laid out, once."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from support.paths import ROOT

# What is built stays here between runs; several checkouts may name one folder.
CACHE = Path(os.environ.get("SORTER_PI_CACHE", ROOT / ".cache" / "pi"))
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def built(name: str, recipe: str, make: Callable[[Path], None]) -> Path:
    """The folder NAME-DIGEST of the cache, made by `make` when no other run has: `recipe` is all that decides what is in it.

    A half-made folder never takes the name, and who comes second waits for the first.
    """
    place = CACHE / f"{name}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            with tempfile.TemporaryDirectory(dir=CACHE, prefix=f".{name}-") as unfinished:
                folder = Path(unfinished) / name
                folder.mkdir()
                make(folder)
                folder.rename(place)
    return place


def run(command: Sequence[str | Path], **options: object) -> str:
    """Run a tool that builds; what it printed, or an error with all of it."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)  # type: ignore[call-overload]
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return str(done.stdout)


def mirror() -> str:
    """Where this machine takes its own Debian packages from; Debian's own address where it is no Debian."""
    if shutil.which("apt-get"):
        asked = run(["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"])
        for line in asked.splitlines():
            if line.rstrip("/").endswith("/debian"):
                return line.rstrip("/")
    return "http://deb.debian.org/debian"


@dataclass(frozen=True, slots=True)
class Release:
    """One release of Debian for one processor, as an archive to take packages from.

    Args:
        suite: such as "trixie".
        architecture: Debian's name of the processor, such as "arm64".
    """

    suite: str
    architecture: str

    @property
    def source(self) -> str:
        return f"deb [signed-by={KEYRING}] {mirror()} {self.suite} main"

    def fetch(self, *packages: str) -> list[Path]:
        """The packages' files, without what they depend on."""
        recipe = f"{self.suite} {self.architecture} {' '.join(packages)}"

        def download(folder: Path) -> None:
            run([*self._apt("apt-get"), "download", "-qq", *packages], cwd=folder)

        # A name of a package may hold a version: the first names the folder.
        return sorted(built(f"deb-{packages[0].split('=')[0]}", recipe, download).glob("*.deb"))

    def unpacked(self, *packages: str) -> Path:
        """A folder with the packages' files, nothing configured and nothing started."""
        recipe = f"unpacked {self.suite} {self.architecture} {' '.join(packages)}"

        def unpack(folder: Path) -> None:
            for package in self.fetch(*packages):
                run(["dpkg-deb", "-x", package, folder])

        return built(f"files-{packages[0].split('=')[0]}", recipe, unpack)

    def candidates(self, pattern: str) -> list[str]:
        """Names of the archive's packages that match a regular expression."""
        found = run([*self._apt("apt-cache"), "search", "--names-only", pattern])
        return sorted(line.split(" - ")[0] for line in found.splitlines())

    def root(self, *packages: str, variant: str = "extract") -> Path:
        """A root file system with the packages and what they depend on, as `mmdebstrap` lays it out. Only to be read.

        `extract` only unpacks, which needs no emulated processor; `essential` and above run the packages' scripts.
        """
        recipe = f"{self.source} {self.architecture} {variant} {' '.join(packages)}"

        def lay_out(folder: Path) -> None:
            options = ["--quiet", "--mode=root", f"--arch={self.architecture}", f"--variant={variant}"]
            run(["mmdebstrap", *options, f"--include={','.join(packages)}", self.suite, folder, self.source])

        return built(f"root-{self.suite}-{self.architecture}", recipe, lay_out)

    def _apt(self, program: str) -> list[str]:
        """`program` with lists and settings of its own: the machine's are neither read nor written."""
        place = built(f"apt-{self.suite}-{self.architecture}", self.source, self._update)
        return [program, *self._options(place)]

    def _update(self, folder: Path) -> None:
        for part in ("state/lists/partial", "cache/archives/partial"):
            (folder / part).mkdir(parents=True)
        (folder / "state" / "status").touch()
        (folder / "sources.list").write_text(f"{self.source}\n")
        run(["apt-get", *self._options(folder), "update", "-qq"])

    def _options(self, folder: Path) -> list[str]:
        settings = {
            "Dir::State": folder / "state",
            "Dir::State::status": folder / "state" / "status",
            "Dir::Cache": folder / "cache",
            "Dir::Etc::sourcelist": folder / "sources.list",
            "Dir::Etc::sourceparts": "-",
            "APT::Architecture": self.architecture,
            "APT::Architectures": self.architecture,
            "APT::Sandbox::User": "root",
        }
        return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
