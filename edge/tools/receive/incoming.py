"""Transfers on their way in: one file for each model, locked by whoever writes it, and never more than a few."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING

from edge.clock import NS_PER_S, ms
from edge.errors import TransferError

if TYPE_CHECKING:
    from edge.interfaces import Clock

_PARTS_KEPT = 4
_MOST_SESSIONS = 8
_WAIT_S = 35  # another client may be silent for a little less before it is taken to be gone
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@contextmanager
def one_of_few(store: Path) -> Iterator[None]:
    """Hold one of the places for connections, so that they never fill a small machine's memory.

    Raises:
        TransferError: all are taken.
    """
    try:
        descriptor = os.open(store / ".sessions", _FLAGS | os.O_CREAT, 0o664)
    except OSError:  # no store yet, or a disk that refuses: what is wrong is said where it matters
        yield
        return
    try:
        if not any(_takes(descriptor, place) for place in range(_MOST_SESSIONS)):
            raise TransferError(f"{_MOST_SESSIONS} connections are served at a time, and are: try again later")
        yield
    finally:
        os.close(descriptor)


def _takes(descriptor: int, place: int) -> bool:
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
    except OSError:
        return False
    return True


@contextmanager
def open_part(path: Path, size: int, clock: Clock) -> Iterator[FileIO]:
    """Open what has come of a file of that size, for this process alone; nothing stays of one that did not begin.

    Raises:
        TransferError: another connection has it, and keeps it.
        OSError: the disk refuses.
    """
    part = _locked(path, size, clock)
    try:
        yield part
    finally:
        if not os.fstat(part.fileno()).st_size and _is_still(part, path):
            path.unlink()
        part.close()


def _locked(path: Path, size: int, clock: Clock) -> FileIO:
    until = clock.now() + _WAIT_S * NS_PER_S
    while True:
        part = _opened(path, size)
        try:
            fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_still(part, path):
                return part
            part.close()  # whoever had it is done with it
        except BlockingIOError:
            part.close()
            if clock.now() > until:
                raise TransferError(
                    f"this very model has been coming over another connection for {_WAIT_S} s: try again later"
                ) from None
            clock.sleep_until(clock.now() + ms(100))


def _opened(path: Path, size: int) -> FileIO:
    """The file, made if it is not there; what can't be one of ours makes place for it."""
    while True:
        try:
            descriptor = os.open(path, _FLAGS | os.O_CREAT, 0o644)
        except OSError:
            if not os.path.lexists(path) or (stat.S_ISREG(path.lstat().st_mode) and os.access(path, os.W_OK)):
                raise
            _remove(path)
            continue
        status = os.fstat(descriptor)
        # A second name is that of a model which is being let in: it must not change any more.
        if stat.S_ISREG(status.st_mode) and (status.st_nlink <= 1 or status.st_size == size):
            return FileIO(descriptor, "r+b")
        os.close(descriptor)
        _remove(path)


def _is_still(part: FileIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(part.fileno()), path.lstat())
    except FileNotFoundError:
        return False


def forget_oldest(incoming: Path, besides: Path) -> None:
    """Remove the oldest unfinished transfers, so that they never fill the disk, and what is none.

    Raises:
        OSError: the disk refuses.
    """
    others: list[tuple[int, Path]] = []
    for path in incoming.glob("*.part"):
        with suppress(FileNotFoundError):
            status = path.lstat()
            if not stat.S_ISREG(status.st_mode):
                _remove(path)
            elif path != besides:
                others.append((status.st_mtime_ns, path))
    for _, path in sorted(others)[: 1 - _PARTS_KEPT]:
        _remove_unlocked(path)
    for path in incoming.glob("*.lock"):  # earlier versions left one for every model
        _remove_unlocked(path)


def _remove_unlocked(path: Path) -> None:
    """Remove a file, unless another connection is just writing it."""
    with suppress(FileNotFoundError, BlockingIOError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
        finally:
            os.close(descriptor)


def _remove(path: Path) -> None:
    """Remove whatever it is; a link, not what it leads to."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
