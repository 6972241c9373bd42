"""What a power cut leaves of a machine's disk, from a record of every write and flush that the machine made.

QEMU's driver `blklogwrites` keeps the record, in the format of Linux' dm-log-writes: what the disk's cache was told to
write out (a flush) is there after a cut, and of what was written since then any sectors may be. A disk is a file in one
of QEMU's formats; qemu-storage-daemon shows it as a file of plain bytes, which the kernel of this machine mounts.
"""

from __future__ import annotations

import os
import struct
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.pi.debian import run
from support.power_cut import SECTOR, Survives

MAGIC = 0x6A736677736872
FLUSH, DISCARD = 1, 4
_SUPER = struct.Struct("<QQQI")
_ENTRY = struct.Struct("<QQQQ")


@dataclass(frozen=True, slots=True)
class Recorded:
    """One write, or a flush, which has no content.

    Args:
        start: where on the disk, bytes.
        size: bytes.
        content_at: where in the record the content begins, bytes.
    """

    is_flush: bool
    start: int
    size: int
    content_at: int


@dataclass(frozen=True, slots=True)
class Record:
    """The file that `blklogwrites` writes while the machine runs."""

    path: Path

    @staticmethod
    def options(disk: str, path: Path) -> list[str]:
        """Start a new record; QEMU's arguments for a node `recorded` over the node `disk`.

        The machine that runs QEMU is not cut off, so nothing waits for its own disk.
        """
        with path.open("wb") as file:
            file.truncate(1 << 40)  # full of holes: it may grow as it likes
        log = f"driver=file,node-name=record,filename={path},cache.no-flush=on,discard=unmap"
        return ["--blockdev", log, "--blockdev", f"driver=blklogwrites,node-name=recorded,file={disk},log=record"]

    def settled(self) -> int:
        """How many entries there were at the last flush. What a machine has promised to keep by now lies among them."""
        with self.path.open("rb") as file:
            magic, _, count, _ = _SUPER.unpack(file.read(_SUPER.size))
        return int(count) if magic == MAGIC else 0

    def entries(self) -> list[Recorded]:
        """All of them up to the last flush, in the order in which they were done."""
        found: list[Recorded] = []
        with self.path.open("rb") as file:
            _, _, count, unit = _SUPER.unpack(file.read(_SUPER.size))
            assert unit == SECTOR
            at = unit
            for _ in range(count):
                file.seek(at)
                sector, sectors, flags, _ = _ENTRY.unpack(file.read(_ENTRY.size))
                assert not flags & DISCARD, (
                    "attach the disk with discard=off, so that a cut never brings old content back"
                )
                at += unit
                found.append(Recorded(bool(flags & FLUSH), sector * SECTOR, sectors * SECTOR, at))
                at += sectors * unit
        return found

    def replay(self, entries: Sequence[Recorded], survives: Survives, disk: Path) -> int:
        """Do to the disk, a file of plain bytes, what a cut after these entries leaves; how many sectors were lost."""
        durable = max((number for number, entry in enumerate(entries) if entry.is_flush), default=-1) + 1
        lost = 0
        with self.path.open("rb") as record, disk.open("r+b", buffering=0) as target:
            for entry in entries[:durable]:
                if entry.size:
                    os.pwrite(target.fileno(), os.pread(record.fileno(), entry.size, entry.content_at), entry.start)
            for entry in entries[durable:]:
                content = os.pread(record.fileno(), entry.size, entry.content_at)
                for at in range(0, entry.size, SECTOR):
                    if survives():
                        os.pwrite(target.fileno(), content[at : at + SECTOR], entry.start + at)
                    else:
                        lost += 1
        return lost


def overlay(base: Path, place: Path) -> Path:
    """A new disk that begins as `base`, which must not change as long as the new one is used."""
    shape = json_format(base)
    run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", shape, place])
    return place


def json_format(disk: Path) -> str:
    """How QEMU calls the format of a file."""
    with disk.open("rb") as file:
        return "qcow2" if file.read(4) == b"QFI\xfb" else "raw"


@contextmanager
def shown(disk: Path, record: Path | None = None) -> Iterator[Path]:
    """The disk as a file of plain bytes, to read and write; with `record`, what is written is recorded there."""
    with tempfile.NamedTemporaryFile(prefix="disk-") as place:
        words = ["qemu-storage-daemon"]
        words += ["--blockdev", f"driver=file,node-name=file,filename={disk},cache.no-flush=on"]
        words += ["--blockdev", f"driver={json_format(disk)},node-name=disk,file=file,discard=unmap"]
        words += [] if record is None else Record.options("disk", record)
        node = "disk" if record is None else "recorded"
        words += ["--export", f"type=fuse,id=shown,node-name={node},mountpoint={place.name},writable=on"]
        # Its greeting on the monitor says that all of this is done.
        words += ["--chardev", "stdio,id=said", "--monitor", "chardev=said"]
        daemon = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            assert daemon.stdout is not None
            if not daemon.stdout.readline():
                raise RuntimeError(f"qemu-storage-daemon can't show {disk}: what it said is above")
            yield Path(place.name)
        finally:
            daemon.terminate()
            daemon.communicate(timeout=60)


@contextmanager
def mounted(disk: Path, *options: str) -> Iterator[Path]:
    """The file system on a disk of plain bytes; the kernel replays its journal first, as after a cut."""
    with tempfile.TemporaryDirectory(prefix="mounted-") as folder:
        run(["mount", "-o", ",".join(["loop", *options]), disk, folder])
        try:
            yield Path(folder)
        finally:
            run(["umount", folder])
