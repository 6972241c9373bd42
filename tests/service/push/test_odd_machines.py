"""The real receiver on a disk that is really full, and on a machine whose clock is a year off."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support import receiver
from support.paths import ROOT
from support.stations import BIN, write_station

from edge.bundle.archive import read_bundle
from edge.inference.classifier import shipped_bundle_path
from edge.models.quick import RESERVE_BYTES
from edge.models.store import ModelStore
from edge.models.verify import verify_store

pytestmark = pytest.mark.realtime

PAGE = 4096
YEAR_S = 366 * 86_400


@dataclass(frozen=True)
class Disk:
    """A disk of its own with a station on it, and what fills it."""

    folder: Path
    is_own: bool

    @property
    def station(self) -> Path:
        return self.folder / "station.toml"

    @property
    def store(self) -> ModelStore:
        return ModelStore(self.folder / "state" / "models")

    @property
    def filler(self) -> Path:
        return self.folder / "filler"

    def fill(self, free_pages: int) -> None:
        """Write until only so many pages are free."""
        with self.filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(1 << 20))
            except OSError:
                file.truncate(file.tell() - free_pages * PAGE)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A tmpfs of fixed size where this account may mount one, else the ordinary disk."""
    folder = tmp_path / "disk"
    folder.mkdir()
    size = (
        RESERVE_BYTES + shipped_bundle_path().stat().st_size + (2 << 20)
    )  # the shipped model is the first to come back to
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", folder], check=False, capture_output=True
    )
    disk = Disk(folder, is_own=mounted.returncode == 0)
    write_station(folder, BIN, state_folder="state", inference={"allow_unsigned": True})
    yield disk
    if disk.is_own:
        subprocess.run(["umount", folder], check=True)


def limit_file_size() -> None:
    """Let this process write no file longer than a page: what a full disk is where none can be mounted."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (PAGE, PAGE))


def test_a_disk_that_gets_full_on_the_way(disk: Disk, tiny_bundle: Callable[..., bytes]) -> None:
    first, second = tiny_bundle(version="1.0"), tiny_bundle(version="1.1")
    events = receiver.push(disk.station, first)
    assert events[-1].get("active"), events
    pages = -(-len(second) // PAGE)
    # Room for half of the file, or for all of it and nothing more.
    rooms = (pages // 2, pages) if disk.is_own else (None,)
    for room in rooms:
        if room is None:
            events = receiver.push(disk.station, second, limit=limit_file_size)
        else:
            events = receiver.push(disk.station, second, on_send=lambda room=room: disk.fill(room))
        assert events[-1]["event"] == "error", room
        assert events[-1]["kind"] == "StoreError"
        assert "free space with 'sorter model prune'" in events[-1]["message"]
        assert verify_store(disk.store) == []
        generation = disk.store.active()
        assert generation is not None
        assert generation.current == read_bundle(first, "x").digest
        disk.filler.unlink(missing_ok=True)
    assert receiver.push(disk.station, second)[-1]["active"]


def test_a_full_disk_is_said_before_anything_is_sent(disk: Disk, tiny_bundle: Callable[..., bytes]) -> None:
    if not disk.is_own:
        pytest.skip("needs the right to mount a tmpfs: filling the machine's own disk is no test")
    disk.fill(free_pages=RESERVE_BYTES // PAGE)
    (event,) = receiver.push(disk.station, tiny_bundle())
    assert (event["event"], event["kind"]) == ("error", "StoreError")
    assert "64 MiB free" in event["message"]


def test_installing_by_hand_on_a_full_disk(disk: Disk, tiny_bundle: Callable[..., bytes], tmp_path: Path) -> None:
    bundle = tmp_path / "tiny.sorter"
    bundle.write_bytes(tiny_bundle())
    command = [sys.executable, "-m", "edge", "model", "install", bundle, "--station", disk.station]
    if disk.is_own:
        disk.fill(free_pages=0)
    run = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=ROOT,
        preexec_fn=None if disk.is_own else limit_file_size,
    )  # fmt: skip
    assert run.returncode == 8
    assert "Traceback" not in run.stderr
    assert "free" in run.stderr or "File too large" in run.stderr
    assert disk.store.models() == []


@pytest.mark.parametrize("off_s", [-YEAR_S, YEAR_S])
def test_a_clock_that_is_wrong_by_a_year(
    disk: Disk, tiny_bundle: Callable[..., bytes], tmp_path: Path, off_s: int
) -> None:
    """The process is told another date; what it installs works, comes back, and is listed in the order it came."""
    (tmp_path / "sitecustomize.py").write_text(
        f"import time\nreal_time = time.time\ntime.time = lambda: real_time() + {off_s}\n"
    )
    first, second, third = (tiny_bundle(version=version) for version in ("1.0", "1.1", "1.2"))
    digests = [read_bundle(content, "x").digest for content in (first, second, third)]
    receiver.push(disk.station, first)
    assert receiver.push(disk.station, second, PYTHONPATH=str(tmp_path))[-1]["active"]
    wrong = next(model for model in disk.store.models() if model.digest == digests[1])
    right = next(model for model in disk.store.models() if model.digest == digests[0])
    assert int(wrong.installed[:4]) - int(right.installed[:4]) == (1 if off_s > 0 else -1)
    assert receiver.push(disk.station, third)[-1]["active"]
    assert [generation.current for generation in disk.store.history()][-3:] == digests
    assert disk.store.roll_back("worse", "").current == digests[1]
    assert verify_store(disk.store) == []
