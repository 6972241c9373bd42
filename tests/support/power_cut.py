"""What may be on the medium after a power cut: everything synced, and any part of the rest."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.disk import Create, Delete, Operation, Rename, Sync, SyncFolder, Truncate, Write

SECTOR = 512  # bytes; what a medium writes whole
# A person asks for every cut, and waits as long as that takes.
THOROUGH = os.environ.get("SORTER_POWER_CUTS") == "all"
TIME_LIMIT = [pytest.mark.timeout(0)] if THOROUGH else []


@dataclass(frozen=True, slots=True)
class MakeFolder:
    name: str


@dataclass(frozen=True, slots=True)
class SymbolicLink:
    name: str
    target: str


@dataclass(frozen=True, slots=True)
class HardLink:
    """Another name for the same file."""

    name: str
    target: str


Survives = Callable[[], bool]
"""Asked for every un-synced sector, size and name: did it reach the medium?"""


@dataclass
class _Node:
    """A file's content: what is synced, and what was done since."""

    synced: bytearray = field(default_factory=bytearray)
    since: list[Write | Truncate] = field(default_factory=list)

    def sync(self) -> None:
        self.synced = bytearray(self.apply(lambda: True))
        self.since.clear()

    def apply(self, survives: Survives) -> bytes:
        content = bytearray(self.synced)
        for change in self.since:
            if isinstance(change, Truncate):
                if survives():
                    _resize(content, change.size)
            else:
                _write_sectors(content, change, survives)
        return bytes(content)


def _resize(content: bytearray, size: int) -> None:
    del content[size:]
    content.extend(bytes(size - len(content)))


def _write_sectors(content: bytearray, write: Write, survives: Survives) -> None:
    position, end = write.offset, write.offset + len(write.content)
    while position < end:
        stop = min(end, (position // SECTOR + 1) * SECTOR)
        if survives():
            if len(content) < stop:
                _resize(content, stop)
            content[position:stop] = write.content[position - write.offset : stop - write.offset]
        position = stop


class Medium:
    """What the disk was told so far; `write_into` gives what a power cut at this moment leaves.

    Names (created, renamed, deleted) that were not synced survive as a prefix in their order, as in a
    journalling file system; content survives sector by sector in any combination.
    """

    def __init__(self) -> None:
        self._names: dict[str, _Node] = {}
        self._synced: dict[str, _Node] = {}
        self._unsynced: list[dict[str, _Node]] = []

    def take(self, operation: Operation) -> None:
        """Do the next operation."""
        match operation:
            case Write() | Truncate():
                self._names[operation.name].since.append(operation)
            case Sync():
                self._names[operation.name].sync()
            case SyncFolder():
                self._synced, self._unsynced = dict(self._names), []
            case Create() | Delete() | Rename():
                self._take_name(operation)
                self._unsynced.append(dict(self._names))

    def _take_name(self, operation: Create | Delete | Rename) -> None:
        match operation:
            case Create():
                self._names[operation.name] = _Node()
            case Delete():
                del self._names[operation.name]
            case Rename():
                self._names[operation.target] = self._names.pop(operation.name)

    def write_into(self, folder: Path, survives: Survives) -> None:
        """Create the folder with what is left of the files."""
        left = self._synced
        for later in self._unsynced:
            if not survives():
                break
            left = later
        folder.mkdir()
        for name, node in left.items():
            (folder / name).write_bytes(node.apply(survives))


def _tree(folder: Path) -> dict[str, _Node | MakeFolder | SymbolicLink]:
    found: dict[str, _Node | MakeFolder | SymbolicLink] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = SymbolicLink(name, str(path.readlink()))
        else:
            found[name] = MakeFolder(name) if path.is_dir() else _Node(bytearray(path.read_bytes()))
    return found


class TreeMedium:
    """As `Medium`, with folders and links: names are paths. It begins with what lies in a folder, if one is given."""

    def __init__(self, begins_as: Path | None = None) -> None:
        self._names: dict[str, _Node | MakeFolder | SymbolicLink] = {} if begins_as is None else _tree(begins_as)
        self._synced = dict(self._names)
        self._unsynced: list[dict[str, _Node | MakeFolder | SymbolicLink]] = []

    def take(self, operation: Operation | MakeFolder | SymbolicLink | HardLink) -> None:
        """Do the next operation."""
        match operation:
            case Write() | Truncate() | Sync():
                node = self._names[operation.name]
                assert isinstance(node, _Node)
                if isinstance(operation, Sync):
                    node.sync()
                else:
                    node.since.append(operation)
            case SyncFolder():
                self._synced, self._unsynced = dict(self._names), []
            case _:
                self._take_name(operation)
                self._unsynced.append(dict(self._names))

    def _take_name(self, operation: Create | Delete | Rename | MakeFolder | SymbolicLink | HardLink) -> None:
        match operation:
            case Create():
                self._names[operation.name] = _Node()
            case MakeFolder() | SymbolicLink():
                self._names[operation.name] = operation
            case HardLink():
                self._names[operation.target] = self._names[operation.name]
            case Delete():
                del self._names[operation.name]
            case Rename():
                inside = operation.name + "/"
                for name in [name for name in self._names if name == operation.name or name.startswith(inside)]:
                    self._names[operation.target + name.removeprefix(operation.name)] = self._names.pop(name)

    def write_into(self, folder: Path, survives: Survives) -> None:
        """Create the folder with what is left."""
        left = self._synced
        for later in self._unsynced:
            if not survives():
                break
            left = later
        folder.mkdir()
        for name, entry in sorted(left.items()):
            if isinstance(entry, MakeFolder):
                (folder / name).mkdir()
            elif isinstance(entry, SymbolicLink):
                (folder / name).symlink_to(entry.target)
            else:
                (folder / name).write_bytes(entry.apply(survives))


def nothing_more() -> Survives:
    """Only what was synced survives."""
    return lambda: False


def everything() -> Survives:
    """All of it survives: what a killed program leaves, since the kernel goes on."""
    return lambda: True


def by_chance(seed: int) -> Survives:
    """Each un-synced piece survives or not, at random."""
    rng = random.Random(seed)
    share = rng.random()
    return lambda: rng.random() < share
