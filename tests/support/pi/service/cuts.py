"""Power cuts of a recorded run: what is on the disk after each, looked at here, and started again in a machine."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.pi.cut_disk import Recorded, mounted, overlay, shown
from support.pi.machine import Saved
from support.pi.service.promises import Chronicle
from support.power_cut import Survives, by_chance, everything, nothing_more

CUTS = 20
ACTIVITIES = ("sorting", "installing", "activating", "teaching")
# Written last, and kept by the kernel for some seconds.
NEVER_SYNCED = "var/lib/sorter/never-synced"
# Of what was written since the last flush: nothing, or any sectors. All of it is what a killed program leaves.
LOSSES: tuple[Callable[[int], Survives], ...] = (lambda _: nothing_more(), by_chance, by_chance, lambda _: everything())


@dataclass(frozen=True, slots=True)
class Cut:
    """A power cut.

    Args:
        entries: of the record before it.
        survives: which of what was written since the last flush.
    """

    entries: int
    survives: Survives


@dataclass(frozen=True)
class Recording:
    """A run of a machine whose writes were recorded, from a saved instant on.

    Args:
        begin: what its disk was then.
        chronicle: what was done, and promised.
        entries: all that was recorded.
        folder: for the disks after cuts.
    """

    begin: Saved
    chronicle: Chronicle
    entries: list[Recorded]
    folder: Path

    def cuts(self, phase: str) -> list[Cut]:
        """So many in a phase, spread over it, always the same for the same record."""
        begin, end = self.chronicle.phases[phase]
        chance = random.Random(phase)
        apart = (end - begin) / CUTS
        at = [round(begin + apart * (number + chance.random())) for number in range(CUTS)]
        return [Cut(entries, LOSSES[number % len(LOSSES)](entries)) for number, entries in enumerate(at)]

    def disk_after(self, cut: Cut, name: str) -> tuple[Path, int]:
        """The machine's disk as the cut leaves it, and how many sectors were lost."""
        disk = overlay(self.begin.folder / "disk.qcow2", self.folder / f"{name}.qcow2")
        with shown(disk) as plain:
            lost = self.chronicle.record.replay(self.entries[: cut.entries], cut.survives, plain)
        return disk, lost

    def wrong_after(self, cut: Cut) -> tuple[list[str], int]:
        """What is not as it was promised after a cut, and how many sectors were lost."""
        disk, lost = self.disk_after(cut, "cut")
        with root_of(disk) as root:
            wrong = self.chronicle.wrong(root, cut.entries)
        disk.unlink()
        return [f"cut after {cut.entries} writes, {lost} sectors lost: {problem}" for problem in wrong], lost

    def left_by(self, cut: Cut, folder: Path) -> Saved:
        """A machine whose power was cut, switched off."""
        overlay(self.begin.folder / "data.qcow2", folder / "data.qcow2")
        disk, _ = self.disk_after(cut, f"left-{cut.entries}")
        overlay(disk, folder / "disk.qcow2")
        return Saved(folder, self.begin.image)


@contextmanager
def root_of(disk: Path) -> Iterator[Path]:
    """The root file system on a machine's disk."""
    with shown(disk) as plain, mounted(plain) as root:
        yield root
