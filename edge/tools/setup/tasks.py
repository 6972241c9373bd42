"""The small steps that installing consists of: each says what it does, whether it is needed, and does it."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edge.system.files import make_folder, remove_stale_temp_files, sync_folder, write_atomically
from edge.system.processes import Runner

READ_BITS = stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH
FOR_ALL_TO_READ = READ_BITS | stat.S_IWUSR


class Task(Protocol):
    """One step; doing it twice does no harm."""

    @property
    def text(self) -> str:
        """What it does, for people."""
        ...

    def is_done(self) -> bool: ...

    def do(self, runner: Runner) -> None: ...


@dataclass(frozen=True, slots=True)
class WriteFile:
    """A file with exactly this content; with `keep`, one that is there stays as it is."""

    path: Path
    content: str
    text: str
    keep: bool = False

    def is_done(self) -> bool:
        if self.keep:
            return self.path.exists()
        return (
            self.path.is_file()
            and self.path.read_bytes() == self.content.encode()
            and stat.S_IMODE(self.path.stat().st_mode) == FOR_ALL_TO_READ
        )

    def do(self, runner: Runner) -> None:
        make_folder(self.path.parent)
        remove_stale_temp_files(self.path.parent, of=self.path.name)
        write_atomically(self.path, self.content.encode(), FOR_ALL_TO_READ)


@dataclass(frozen=True, slots=True)
class LetRead:
    """A file that everybody may read, the service's user too; whether it is to be written stays as it is."""

    path: Path
    text: str

    def is_done(self) -> bool:
        return not self.path.exists() or self.path.stat().st_mode & READ_BITS == READ_BITS

    def do(self, runner: Runner) -> None:
        self.path.chmod(stat.S_IMODE(self.path.stat().st_mode) | READ_BITS)


@dataclass(frozen=True, slots=True)
class RemoveFile:
    """No file, nor link, of that name."""

    path: Path
    text: str

    def is_done(self) -> bool:
        return not self.path.exists() and not self.path.is_symlink()

    def do(self, runner: Runner) -> None:
        self.path.unlink()
        sync_folder(self.path.parent)


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link to the target."""

    path: Path
    target: Path
    text: str

    def is_done(self) -> bool:
        return self.path.is_symlink() and self.path.readlink() == self.target

    def do(self, runner: Runner) -> None:
        make_folder(self.path.parent)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(self.target)
        sync_folder(self.path.parent)


@dataclass(frozen=True, slots=True)
class Command:
    """A program of the system's that does no harm when it is run again; so it always is.

    Whether it is needed can't be told from the files: a run of `sorter setup` that was cut off has
    written them and not told systemd.
    """

    command: Sequence[str]
    text: str

    def is_done(self) -> bool:
        return False

    def do(self, runner: Runner) -> None:
        runner.run(self.command)
