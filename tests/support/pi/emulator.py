"""Programs of a Pi's processor, run on another one: QEMU's user mode in a root file system of Debian for arm64.

Each program is translated instruction by instruction, and its system calls go to the kernel of this machine. So
it's the Pi's libraries, compiled for the Pi's processor, that compute; it isn't the Pi's kernel, and it says nothing of speed.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from support.pi.debian import CACHE, Release

HANDLERS = Path("/proc/sys/fs/binfmt_misc")
HANDLER = "sorter-pi-"
# The first 20 bytes of a little-endian 64-bit ELF program or library for aarch64, and which bits of them count.
MAGIC = "7f454c460201010000000000000000000200b700"
MASK = "ffffffffffffff00fffffffffffffffffeffffff"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
# What says where pip finds packages on this machine; all else is as on a Pi that was just set up.
TOLD = ("PIP_INDEX_URL", "PIP_CERT", "PIP_DEFAULT_TIMEOUT", "http_proxy", "https_proxy", "no_proxy")
# Mounts and processes of its own; they end with whoever entered, however that ends.
ENTER = ("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def qemu() -> Path:
    """QEMU's user mode for aarch64, from Trixie: Bookworm's crashes in ai-edge-litert."""
    return Release("trixie", "amd64").unpacked("qemu-user") / "usr" / "bin" / "qemu-aarch64"


@contextmanager
def registered() -> Iterator[None]:
    """Have the kernel start programs for aarch64 in QEMU, in whatever root file system they lie, as long as this lasts.

    Raises:
        RuntimeError: this kernel can't be told to.
    """
    if not (HANDLERS / "register").exists():
        mounted = subprocess.run(
            ["mount", "-t", "binfmt_misc", "binfmt_misc", HANDLERS], capture_output=True, text=True
        )
        if mounted.returncode != 0:
            raise RuntimeError(
                f"programs for aarch64 need binfmt_misc: modprobe binfmt_misc ({mounted.stderr.strip()})"
            )
    _forget_of_the_dead()
    # O: QEMU is given the opened program; C: with its owner's rights; F: QEMU is opened now, since no root has it.
    escaped = ("".join(f"\\x{text[at : at + 2]}" for at in range(0, len(text), 2)) for text in (MAGIC, MASK))
    name = f"{HANDLER}{os.getpid()}"
    (HANDLERS / "register").write_text(f":{name}:M::{':'.join(escaped)}:{qemu()}:OCF")
    try:
        yield
    finally:
        (HANDLERS / name).write_text("-1")


def _forget_of_the_dead() -> None:
    """Take away what a run that was killed left registered."""
    for left in HANDLERS.glob(f"{HANDLER}*"):
        if not Path("/proc", left.name.removeprefix(HANDLER)).exists():
            left.write_text("-1")


@dataclass(frozen=True, slots=True)
class Machine:
    """A root file system and the processor that its programs see. One for arm64 runs as long as `registered` lasts.

    Args:
        root: of the file system.
        processor: QEMU's name of it: cortex-a53 (Pi 3, Zero 2 W), cortex-a72 (Pi 4), cortex-a76 (Pi 5).
        shared: folders of this machine, and where they are seen inside.
        kept: what programs write stays in `root`; else in memory, and is gone when the program ends.
    """

    root: Path
    processor: str = "cortex-a72"
    shared: Mapping[Path, str] = field(default_factory=dict)
    kept: bool = False

    def run(self, command: Sequence[str], timeout_s: float) -> subprocess.CompletedProcess[str]:
        """Run a program as root of the machine, in `/root`; all that it started ends with it."""
        return subprocess.run(
            [*ENTER, "sh", "-euc", self._script(), "sh", *command],
            capture_output=True,
            text=True,
            env=self._environment(),
            timeout=timeout_s,
            check=False,
        )

    def must(self, command: Sequence[str], timeout_s: float) -> str:
        """What a program that must succeed printed.

        Raises:
            RuntimeError: it failed, with all that it said.
        """
        done = self.run(command, timeout_s)
        if done.returncode != 0:
            raise RuntimeError(f"{shlex.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def _script(self) -> str:
        """Shell that lays the mounts, seen by nobody else, and becomes the program."""
        new = "/mnt"
        root = shlex.quote(str(self.root))
        lines = [f"mount --bind {root} {new}"]
        if not self.kept:
            lines = [
                f"mount -t tmpfs tmpfs {new}",
                f"mkdir {new}/root {new}/upper {new}/work",
                f"mount -t overlay overlay -o lowerdir={root},upperdir={new}/upper,workdir={new}/work {new}/root",
            ]
            new += "/root"
        lines += [
            f"mount -t proc proc {new}/proc",
            f"mount --rbind /sys {new}/sys",
            f"mount --rbind /dev {new}/dev",
            f"mount -t tmpfs tmpfs {new}/tmp",
            f"mkdir -p {new}/root/.cache/pip {new}/etc/ssl/certs",
            f"touch {new}/etc/resolv.conf {new}{CERTIFICATES}",
            f"mount --bind /etc/resolv.conf {new}/etc/resolv.conf",
            f"mount --bind {CERTIFICATES} {new}{CERTIFICATES}",
        ]
        (CACHE / "pip").mkdir(parents=True, exist_ok=True)
        for here, there in {CACHE / "pip": "/root/.cache/pip", **self.shared}.items():
            place = shlex.quote(f"{new}{there}")
            lines += [f"mkdir -p {place}", f"mount --bind {shlex.quote(str(here))} {place}"]
        return "\n".join([*lines, f'exec chroot {new} /usr/bin/env --chdir=/root "$@"'])

    def _environment(self) -> dict[str, str]:
        own = {"HOME": "/root", "PATH": PATH, "LANG": "C.UTF-8", "TERM": "dumb", "QEMU_CPU": self.processor}
        return own | {name: os.environ[name] for name in TOLD if name in os.environ}
