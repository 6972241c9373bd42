"""The root file system kept in memory (raspi-config's Overlay File System): what the product says of it, and what is lost."""

from __future__ import annotations

from pathlib import Path

from pi.conftest import Proven
from support.pi.cut_disk import overlay
from support.pi.machine import Fitted, Saved
from support.pi.machines import running
from support.pi.service.activities import until
from support.pi.service.cuts import root_of
from support.pi.service.overlay_root import WORDS, overlay_initrd
from support.pi.service.promises import STATE_FOLDER, Item
from support.pi.service.serving import READY_S, UNTIL_READY, Workstation, reached

from edge.journal.reading import ItemRecord, Query, read_all
from edge.station.stops.latch import PauseLatch


def stored(root: Path) -> set[Item]:
    return {(row.run_id, row.item) for row in read_all(root / STATE_FOLDER / "journal.db", ItemRecord, Query())}


def test_it_works_says_that_all_is_gone_with_the_power_and_how_to_end_that(
    at_work: Saved, place: Workstation, tmp_path: Path, proven: Proven
) -> None:
    for name in ("disk.qcow2", "data.qcow2"):
        overlay(at_work.folder / name, tmp_path / name)
    with root_of(tmp_path / "disk.qcow2") as root:
        before = stored(root)
    own = tmp_path / "machine"
    own.mkdir()
    fitted = Fitted(initrd=overlay_initrd(at_work.image.kernel), words=WORDS)
    with running(Saved(tmp_path, at_work.image), own, fitted) as machine:
        assert machine.run("findmnt -n -o FSTYPE /").strip() == "overlay"
        machine.until("the service is ready", UNTIL_READY, READY_S)
        said = machine.run("sorter check", 200, check=False)
        assert (
            "/var/lib/sorter is kept in memory (an overlay at / whose upper folder /media/root-rw/overlay is tmpfs)"
            in said
        )
        assert "switch the Overlay File System off (sudo raspi-config)" in said
        with reached(machine, place) as station:
            until(lambda: station.items() - before, "new items are stored")
            station.command("pause")
        machine.kill()
        with root_of(machine.disk) as root:
            assert stored(root) == before
            assert not PauseLatch(root / STATE_FOLDER).is_set
    proven(
        "On a root file system that is kept in memory the service sorts, and `sorter check` says that journal, models and a "
        "stop by a person are gone with the power, as they are."
    )
