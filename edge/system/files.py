"""Files that are whole after a power cut at any instant, and are read without waiting for whatever is in their place."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import shutil
import stat
from collections.abc import Sequence
from contextlib import suppress
from itertools import chain, count
from pathlib import Path
from typing import BinaryIO, Protocol

from edge.errors import JournalError

_TEMPORARY = ".tmp"
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


class UnusableFileError(OSError):
    """In a file's place is something else, or far more than it can hold; `strerror` says what, as in "a named pipe"."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(errno.EINVAL, reason, str(path))


def open_regular(path: Path, *, follow: bool = True) -> BinaryIO:
    """Open a regular file for reading without waiting: a named pipe or a device would keep its reader for ever.

    Where other people may write the folder, `follow=False` refuses a link.

    Raises:
        UnusableFileError: it is no regular file, or a link to nothing.
        FileNotFoundError: nothing is there.
        OSError: it can't be read.
    """
    try:
        # Before it is opened: opening alone does something to many a device.
        _check_regular(path, path.stat(follow_symlinks=follow))
    except FileNotFoundError:
        if path.is_symlink():
            raise UnusableFileError(path, "a link to something that is not there") from None
        raise
    # What comes into its place in between is opened without waiting, and refused then.
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    descriptor = os.open(path, flags)
    try:
        _check_regular(path, os.fstat(descriptor))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: Path, max_bytes: int, *, follow: bool = True) -> bytes:
    """Return the content of a regular file of `max_bytes` at most, without waiting; see `open_regular`.

    Raises:
        UnusableFileError: it is no regular file, a link to nothing, or longer.
        FileNotFoundError: nothing is there.
        OSError: it can't be read.
    """
    with open_regular(path, follow=follow) as file:
        long = os.fstat(file.fileno()).st_size > max_bytes
        content = b"" if long else file.read(max_bytes + 1)
    if long or len(content) > max_bytes:
        raise UnusableFileError(path, f"longer than the {max_bytes} bytes that such a file can have")
    return content


def write_regular(path: Path, content: bytes) -> None:
    """Write a file that a power cut may take, by no link: neither the file's name nor its folder's may be one.

    Raises:
        UnusableFileError: something else than a file, or a link, is in its place.
        OSError: the disk refuses.
    """
    _write_beside_links(path, content, os.O_TRUNC)


def append_regular(path: Path, content: bytes) -> None:
    """Add to the end of a file as `write_regular` writes one."""
    _write_beside_links(path, content, os.O_APPEND)


def _write_beside_links(path: Path, content: bytes, how: int) -> None:
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC | how
        descriptor = os.open(path.name, flags, 0o644, dir_fd=folder)
    finally:
        os.close(folder)
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        _check_regular(path, os.fstat(file.fileno()))
        left = memoryview(content)
        while left:
            left = left[file.write(left) or 0 :]


def _check_regular(path: Path, status: os.stat_result) -> None:
    if stat.S_ISLNK(status.st_mode):
        raise UnusableFileError(path, "a link, which is not followed here")
    if not stat.S_ISREG(status.st_mode):
        raise UnusableFileError(path, f"{_KINDS.get(stat.S_IFMT(status.st_mode), 'something else')}, not a file")


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


def quarantine(path: Path, *, stamp: str = "", companions: Sequence[str] = (), keep: int = 1) -> Path:
    """Take what can't be used out of the way without destroying it: it is called `damaged-` and its name; return the new path.

    It takes the place of an earlier one, or with a stamp in its name stands beside the newest `keep` of them. Files of
    its name and one of the `companions` go with it, and before it.

    Raises:
        OSError: the folder can't be written.
    """
    target = path.with_name(f"damaged-{path.name}")
    if stamp:
        target = _free_name(path, stamp)
    elif _is_folder(target) or _is_folder(path):  # neither replaces the other
        discard(target)
    for companion in companions:
        beside = path.with_name(path.name + companion)
        if os.path.lexists(beside):
            beside.rename(target.with_name(target.name + companion))
    if os.path.lexists(path):
        path.rename(target)
    for old in sorted(path.parent.glob(f"damaged-*-{path.name}"), key=_modified)[:-keep] if stamp else ():
        for companion in ("", *companions):
            discard(old.with_name(old.name + companion))
    sync_folder(path.parent)
    return target


def _free_name(path: Path, stamp: str) -> Path:
    numbers = chain([""], (f"-{number}" for number in count(2)))
    names = (path.with_name(f"damaged-{stamp}{number}-{path.name}") for number in numbers)
    return next(name for name in names if not os.path.lexists(name))


def _is_folder(path: Path) -> bool:
    """Tell whether it is a folder itself; a link to one, or to what we may not look at, is none."""
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except FileNotFoundError:
        return False


def _modified(path: Path) -> int:
    return path.lstat().st_mtime_ns


def discard(path: Path) -> None:
    """Remove a file, or the folder that is in its place, if anything is there."""
    if _is_folder(path):
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def remove_stale_temp_files(folder: Path, of: str = "") -> None:
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
    """Create the file, locked while it is open, by which `remove_stale_temp_files` knows that somebody writes it."""
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


def claim_folder(folder: Path) -> int | None:
    """Lock the folder, for one controller only, until the returned descriptor is closed or the process ends, however it ends.

    Returns None where the disk does not even let us look: that must not keep a sorter from starting.

    Raises:
        JournalError: another process has the folder.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise JournalError(
            f"{folder}: another sorter keeps its journal here. Stop it (`sudo systemctl stop sorter`), "
            "or use another state folder"
        ) from None
    except OSError:  # a network file system without locks
        os.close(descriptor)
        return None
    return descriptor
