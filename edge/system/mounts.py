"""Whether what is written to a folder outlives the power: what lies under it may be memory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

MEMORY = frozenset({"tmpfs", "ramfs"})
# How Raspberry Pi OS (raspi-config) and Ubuntu say on the kernel's command line that the root is kept in memory: its
# upper folder was mounted before the root was, and cannot be seen from there.
_BOOTED_IN_MEMORY = re.compile(r"(^|\s)(boot=overlay|overlayroot=tmpfs)")


@dataclass(frozen=True, slots=True)
class Mount:
    """A line of /proc/self/mountinfo: where, what kind, from what, and the file system's own options."""

    at: PurePosixPath
    kind: str
    source: str
    options: dict[str, str]


def memory_under(folder: Path, root: Path = Path("/")) -> str | None:
    """Say what in memory holds a folder (which need not exist yet); None where it is on a disk, or that is not known.

    `root` is where /proc is looked for.
    """
    mounts = list(_read_mounts(root / "proc/self/mountinfo"))
    mount = _holding(PurePosixPath(folder.resolve()), mounts)
    if mount is None:
        return None
    if mount.kind in MEMORY or mount.source.startswith("/dev/zram"):
        return f"{mount.kind} at {mount.at}"
    if mount.kind != "overlay":
        return None
    upper = mount.options.get("upperdir", "")
    below = _holding(PurePosixPath(upper), mounts) if upper and Path(upper).exists() else None
    if below is not None and below.kind in MEMORY:
        return f"an overlay at {mount.at} whose upper folder {upper} is {below.kind}"
    if mount.at == PurePosixPath("/") and _BOOTED_IN_MEMORY.search(_text(root / "proc/cmdline")):
        return "the Overlay File System of raspi-config"
    return None


def in_memory(folder: Path, memory: str) -> str:
    """Say what it means that a state folder lies in memory."""
    overlay = "switch the Overlay File System off (sudo raspi-config), or " if "verlay" in memory else ""
    return (
        f"{folder} is kept in memory ({memory}): journal, calibration, installed models and a pressed emergency stop are "
        f"gone when the power goes; {overlay}set state_folder to a folder on a disk"
    )


def mount_of(folder: Path, root: Path = Path("/")) -> Mount | None:
    """Return what a folder lies on; None where that is not known. `root` is where /proc is looked for."""
    return _holding(PurePosixPath(folder.resolve()), list(_read_mounts(root / "proc/self/mountinfo")))


def _holding(folder: PurePosixPath, mounts: list[Mount]) -> Mount | None:
    """The mount that a folder lies in: the longest, and of those mounted over one another the last."""
    found = None
    for mount in mounts:
        if folder.is_relative_to(mount.at) and (found is None or mount.at.is_relative_to(found.at)):
            found = mount
    return found


def _read_mounts(path: Path) -> Iterator[Mount]:
    for line in _text(path).splitlines():
        before, dash, after = line.partition(" - ")
        place, kind_and_more = before.split(), after.split()
        if not dash or len(place) < 5 or len(kind_and_more) < 2:
            continue
        pairs = (option.partition("=") for option in " ".join(kind_and_more[2:]).split(","))
        options = {name: _plain(value) for name, _, value in pairs}
        yield Mount(PurePosixPath(_plain(place[4])), kind_and_more[0], _plain(kind_and_more[1]), options)


def _plain(text: str) -> str:
    r"""Blanks and the like are written as \040."""
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), text)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "surrogateescape")
    except OSError:
        return ""
