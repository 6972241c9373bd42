"""The questions about a store that need nothing but the standard library, so that they are answered at once."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from edge.errors import StoreError
from edge.system.files import open_regular, read_regular
from edge.system.text import NotTextError
from edge.system.toml import load_toml

# What must stay free for the journal and the system after a model was stored.
RESERVE_BYTES = 64 << 20
LARGEST = 64 << 20  # of a bundle
LARGEST_RECORD = 1 << 16


def store_folder(station_file: Path) -> Path | None:
    """The station's model store; None where the file needs a closer look (missing, broken, odd)."""
    try:
        named = load_toml(station_file).get("state_folder", "/var/lib/sorter")
        return Path(os.path.normpath(station_file.resolve().parent / Path(named).expanduser() / "models"))
    except (OSError, ValueError, TypeError, RuntimeError, NotTextError):
        return None


def answer_if_current(store: Path, digest: str) -> dict[str, object] | None:
    """What a push gets to hear when its model is at work already and whole; None in every other case."""
    try:
        about = json.loads(read_regular(store / "active" / "about.json", LARGEST_RECORD))
        evidence = json.loads(read_regular(store / "models" / digest / "evidence.json", LARGEST_RECORD))
        if about["current"] != digest or not has_digest(store / "models" / digest / "bundle.sorter", digest):
            return None
        return {
            "title": str(evidence["title"]),
            "digest": digest,
            "milliseconds": float(evidence["milliseconds"]),
            "active": True,
            "previous": about["previous"],
            "generation": int(about["number"]),
        }
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def has_digest(path: Path, digest: str) -> bool:
    """Tell whether the file has this SHA-256; a file that can't be read has not."""
    try:
        with open_regular(path) as file:
            if os.fstat(file.fileno()).st_size > LARGEST:
                return False
            return hashlib.file_digest(file, "sha256").hexdigest() == digest  # type: ignore[arg-type]  # it has readinto
    except OSError:
        return False


def check_room(folder: Path, size: int, free_bytes: Callable[[Path], int]) -> None:
    """Refuse what would fill the disk; `size` in bytes is what is still to be written.

    Raises:
        StoreError: saying how much is free and how much is needed.
    """
    while not os.path.exists(folder):  # noqa: PTH110  (Path.exists raises where a folder on the way is closed)
        folder = folder.parent
    try:
        free = free_bytes(folder)
    except OSError as error:
        raise StoreError(f"{folder}: can't be looked at ({error.strerror}): check who owns it") from None
    if free < size + RESERVE_BYTES:
        raise StoreError(
            f"{folder}: expected {(size + RESERVE_BYTES) >> 20} MiB free, got {free >> 20} MiB: "
            "free space with 'sorter model prune'"
        )


class FolderCalls(Protocol):
    """What makes a folder; the module `os` does."""

    def mkdir(self, path: Path) -> None: ...


def make_shared_folder(folder: Path, calls: FolderCalls = os) -> None:
    """Make a folder; below one that a group shares (setgid, as /var/lib/sorter) the group may write in it too.

    Otherwise what a person of the group installs would keep the service from rolling back.
    """
    with suppress(FileExistsError):
        calls.mkdir(folder)
        if folder.parent.stat().st_mode & stat.S_ISGID:
            # Never by its name: somebody may have put another one there meanwhile.
            made = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                if os.fstat(made).st_uid == os.geteuid():
                    os.fchmod(made, 0o2775)
            finally:
                os.close(made)
