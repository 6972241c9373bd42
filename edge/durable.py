"""Files that are whole after a power cut at any instant: the old content or the new, never a part."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
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
        descriptor = _open_locked(temporary, mode, calls)
        try:
            left = memoryview(content)
            while left:
                left = left[calls.write(descriptor, left) :]
            # Before the rename: otherwise a cut may leave the new name with none of its content.
            calls.fsync(descriptor)
            calls.replace(temporary, path)
        finally:
            calls.close(descriptor)
    except OSError:
        with suppress(OSError):
            calls.unlink(temporary)
        raise
    sync_folder(path.parent, calls)


def put_aside(path: Path) -> Path:
    """Rename a file that can't be used to `damaged-` and its name, in the place of an earlier one; return the new path.

    Raises:
        OSError: the folder can't be written.
    """
    aside = path.with_name(f"damaged-{path.name}")
    if aside.is_dir():
        shutil.rmtree(aside)
    elif path.is_dir():
        aside.unlink(missing_ok=True)
    path.rename(aside)
    return aside


def remove_leftovers(folder: Path, of: str = "") -> None:
    """Remove what writes of the file `of` (of any file) left in the folder and below when they were cut off.

    Files that a living process is writing stay; so does what the disk does not let us remove.
    """
    pattern = re.compile(rf"\.{re.escape(of) or '.+'}\.[0-9a-f]{{8}}{re.escape(_TEMPORARY)}")
    for place, _, names in os.walk(folder):
        for name in filter(pattern.fullmatch, names):
            with suppress(OSError):
                _remove_unlocked(Path(place, name))


def _remove_unlocked(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
    finally:
        os.close(descriptor)


def _open_locked(path: Path, mode: int, calls: FileCalls) -> int:
    """Create the file, locked while it is open, by which `remove_leftovers` knows that somebody writes it."""
    while True:
        descriptor = calls.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with suppress(OSError):  # a network file system without locks; nothing is removed there either
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return descriptor
        calls.close(descriptor)  # it was taken for a leftover before it was locked


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
