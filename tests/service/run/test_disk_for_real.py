"""The state folder's disk gets full, and is made read-only, while the station sorts.

A tmpfs of its own where this account may mount one; elsewhere the folder's own permissions keep the journal out.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.journal import items_in
from support.stations import BELT, make_station

from edge.clock import NS_PER_S
from edge.health.faults import FaultKind
from edge.journal.reading import check_journal
from edge.tools.simulate.build import Conditions, build_virtual_run

STATION = make_station(
    BELT,
    bins={"glass": {"labels": ["glass", "metal"]}, "residual": {"labels": ["paper"]}},
    simulation={"items_per_min": 90},
)
NOBODY = 65534


@dataclass
class Disk:
    """A disk with troubles; `own` where it is one, and not a folder that is closed."""

    folder: Path
    own: bool

    def fill(self) -> None:
        with suppress(OSError), (self.folder / "filler").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    def lock(self) -> None:
        """Make it read-only; the journal has closed its file, since the disk is full."""
        if self.own:
            subprocess.run(["mount", "-o", "remount,ro", self.folder], check=True)
        else:
            for path in (*self.folder.iterdir(), self.folder):
                path.chmod(0o555 if path.is_dir() else 0o444)

    def fix(self) -> None:
        if self.own:
            subprocess.run(["mount", "-o", "remount,rw", self.folder], check=True)
            (self.folder / "filler").unlink()
        else:
            for path in (self.folder, *self.folder.iterdir()):
                path.chmod(0o755 if path.is_dir() else 0o644)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "state"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    own = subprocess.run(mount, check=False, capture_output=True).returncode == 0
    became_nobody = not own and os.geteuid() == 0  # permissions mean nothing to root
    if became_nobody:
        for path in (folder, *folder.parents[:3]):
            path.chmod(0o755)
        os.chown(folder, NOBODY, NOBODY)
        os.seteuid(NOBODY)
    yield Disk(folder, own)
    if became_nobody:
        os.seteuid(0)
    if own:
        subprocess.run(["umount", folder], check=True)


def test_a_disk_stays_full_until_there_is_room(disk: Disk) -> None:
    """Now and then a page is free on it, and a small batch gets through: it is full all the same."""
    if not disk.own:
        pytest.skip("this account may not mount a disk of its own")
    run = build_virtual_run(STATION, Conditions(journal_folder=disk.folder))
    health = run.station.health
    crumb = disk.folder / "crumb"

    def give_and_take(second: int) -> None:
        """Let the disk have some pages, and take them again."""
        if second % 2:
            crumb.unlink(missing_ok=True)
        else:
            with suppress(OSError):
                crumb.write_bytes(bytes(32 * 1024))

    seen: dict[int, bool] = {}
    stored: dict[int, int] = {}

    def look(now: int) -> None:
        second = (now - run.world.started_at) // NS_PER_S
        if second in seen:
            return
        seen[second] = any(fault.kind is FaultKind.DISK_FULL for fault in health.faults)
        stored[second] = run.station.reporting.journal.counts.stored  # type: ignore[union-attr]
        if second == 10:
            crumb.write_bytes(bytes(32 * 1024))
            disk.fill()
        elif 10 < second < 50:
            give_and_take(second)
        elif second == 50:
            disk.fix()

    run.run(65.0, on_tick=look)
    began = min(second for second, there in seen.items() if there)
    assert stored[49] > stored[began + 1], "nothing got through: the test shows nothing"
    assert all(seen[second] for second in range(began, 50))
    assert health.counts[FaultKind.DISK_FULL] == 1
    assert health.faults == []


def test_sorting_goes_on_the_trouble_is_named_and_nothing_is_lost(disk: Disk) -> None:
    run = build_virtual_run(STATION, Conditions(journal_folder=disk.folder))
    journal, health = run.station.reporting.journal, run.station.health
    assert journal is not None
    # A file that is open can't be closed to it by permissions, so those are taken before the first row.
    troubles = {20: disk.fill, 40: disk.lock, 60: disk.fix} if disk.own else {0: disk.lock, 60: disk.fix}
    waiting: dict[int, int] = {}
    sorted_by: dict[int, int] = {}

    def look(now: int) -> None:
        second = (now - run.world.started_at) // NS_PER_S
        waiting.setdefault(second, journal.counts.pending)
        sorted_by.setdefault(second, len(run.records))
        if second in troubles:
            troubles.pop(second)()

    run.run(80.0, on_tick=look)
    assert (health.counts[FaultKind.DISK_FULL] > 0) == disk.own
    assert health.counts[FaultKind.DISK_READ_ONLY] > 0
    assert health.faults == []
    assert waiting[58] > waiting[45] > waiting[19]
    assert sorted_by[58] - sorted_by[40] > 15, "it stopped sorting"
    assert (journal.counts.lost, journal.counts.pending) == (0, 0)
    assert [row.item for row in items_in(disk.folder)] == [record.item_id for record in run.records]
    assert check_journal(disk.folder / "journal.db") == []
