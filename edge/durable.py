"""Files that are whole after a power cut at any instant: the old content or the new, never a part."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Protocol

_TEMPORARY = ".tmp"


class FileCalls(Protocol):
    """The calls of the operating system that a durable write is made of; the module `os` is one."""

    def open(self, path: Path, flags: int, mode: int = ...) -> int: ...
    def write(self, fd: int, data: memoryview, /) -> int: ...
    def fsync(self, fd: int) -> None: ...
    def close(self, fd: int) -> None: ...
    def replace(self, src: Path, dst: Path) -> None: ...
    def unlink(self, path: Path) -> None: ...


def write_atomically(path: Path, content: bytes, mode: int = 0o644, calls: FileCalls = os) -> None:
    """Put the content in the file's place and return when a power cut can't undo it any more.

    The folder must exist. Readers see the old content or the new one at every instant.

    Raises:
        OSError: the disk is full, read-only or broken; the old content is still there.
    """
    # Its own name for every write, so that two writers never mix; in the same folder, since a rename
    # is atomic only within one file system.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{_TEMPORARY}")
    try:
        _write_new(temporary, content, mode, calls)
        calls.replace(temporary, path)
    except OSError:
        with suppress(OSError):
            calls.unlink(temporary)
        raise
    sync_folder(path.parent, calls)


def _write_new(path: Path, content: bytes, mode: int, calls: FileCalls) -> None:
    descriptor = calls.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        left = memoryview(content)
        while left:
            left = left[calls.write(descriptor, left) :]
        # Before the rename: otherwise a cut may leave the new name with none of its content.
        calls.fsync(descriptor)
    finally:
        calls.close(descriptor)


def sync_folder(folder: Path, calls: FileCalls = os) -> None:
    """Return when the names in the folder (created, renamed, removed) survive a power cut."""
    descriptor = calls.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        calls.fsync(descriptor)
    finally:
        calls.close(descriptor)


def make_folder(folder: Path) -> None:
    """Create the folder and its missing parents so that they survive a power cut; fine if it is there.

    Raises:
        OSError: a parent can't be written, or is a file.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        sync_folder(path.parent)
