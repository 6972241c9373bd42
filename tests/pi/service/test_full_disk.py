"""The disk that the journal lies on is full: the SD card of the machine, while the service sorts."""

from __future__ import annotations

from pi.conftest import Proven
from support.pi.machine import Machine
from support.pi.service.activities import until
from support.pi.service.serving import Workstation, reached

# What the service's own account may take: ext4 keeps some for root.
FILL = (
    "fallocate -l $(($(stat -f -c '%a * %S' /var/lib/sorter) - 1048576)) /var/lib/sorter/filler;"
    " dd if=/dev/zero of=/var/lib/sorter/crumbs bs=4k status=none"
)
FULL = "disk-full"


def test_on_a_full_disk_it_sorts_on_says_so_and_stores_all_of_it_later(
    machine: Machine, place: Workstation, proven: Proven
) -> None:
    with reached(machine, place) as station:

        def status() -> dict[str, object]:
            return dict(station.page.get("/api/status").json())

        def is_full() -> bool:
            return any(fault["code"] == FULL for fault in status()["faults"])  # type: ignore[attr-defined]

        machine.run(f"runuser -u sorter -- sh -c '{FILL}'", check=False)
        until(is_full, "the full disk is told")
        assert FULL.replace("-", " ") in machine.run("systemctl show -p StatusText sorter").lower()
        before = int(str(status()["total"]))
        until(lambda: int(str(status()["total"])) >= before + 5, "five more items are sorted")
        assert "refuses to note" in station.command("pause")
        station.command("resume")
        machine.run("rm /var/lib/sorter/filler /var/lib/sorter/crumbs")
        until(lambda: not is_full(), "the disk is no longer full")
        items = int(str(status()["total"]))
        run = max(station.items())[0]
        until(lambda: max(number for at, number in station.items() if at == run) >= items, "all items are stored")
        told = machine.run("sorter journal list --json --limit 1000", 200)
    numbers = [line for line in told.splitlines() if run in line]
    assert len(numbers) >= items
    proven(
        "On a full SD card the service sorts on, says so in its line, and stores all items once there is room.",
        items=items,
    )
