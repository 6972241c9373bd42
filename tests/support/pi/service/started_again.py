"""A machine that is started again on what a power cut has left, and what is seen of it then."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from support.pi.machine import PLAIN, Fitted, Machine
from support.pi.machines import running
from support.pi.service.activities import AtWork, until
from support.pi.service.cuts import Recording, root_of
from support.pi.service.serving import READY_S, UNTIL_READY, Workstation, reached

NO_YEAR = timedelta(0)
ENOUGH = 3
MIDDLE = 10


@dataclass(frozen=True)
class Started:
    """What was seen of one machine.

    Args:
        boot_to_ready_s: from the kernel's start until systemd found the service ready.
        state: of the station then.
        log: of the service since the start.
        wrong: what was promised before the cut and is not there at the end.
        new_items: that were sorted and stored after the start.
        off_before, off_after: how far the dates of these were from the right one before it was set, and after.
    """

    boot_to_ready_s: float
    state: str
    log: str
    wrong: list[str]
    new_items: int
    off_before: timedelta = NO_YEAR
    off_after: timedelta = NO_YEAR


def start_again(recording: Recording, place: Workstation, phase: str, off: timedelta, folder: Path) -> Started:
    """Start the machine on what a cut in the middle of a phase has left, with a date that is so far off."""
    cut = recording.cuts(phase)[MIDDLE]
    begin = recording.left_by(cut, folder)
    date = (datetime.now(UTC) + off).strftime("%Y-%m-%dT%H:%M:%S")
    own = folder / "machine"
    own.mkdir()
    known = {run for run, _ in recording.chronicle.promised(cut.entries).items}
    with running(begin, own, Fitted(date=date) if off else PLAIN) as machine:
        machine.until("the service is ready", UNTIL_READY, READY_S)
        seconds = round(float(machine.run("cut -d' ' -f1 /proc/uptime")), 1)
        with reached(machine, place) as station:
            state = until(lambda: state_of(station), "it has left its start")
            if state == "stopped":
                station.command("resume")
            new = until(lambda: dates_of_new(station, known), "new items are stored", READY_S)
            before = max(map(off_by, new.values()))
            after = corrected(machine, station, known) if off else NO_YEAR
        log = machine.run("journalctl -b -u sorter -o cat")
        machine.run("systemctl stop sorter; sync", 200)
        machine.kill()
        with root_of(machine.disk) as root:
            wrong = recording.chronicle.wrong(root, cut.entries, resumed=True)
    return Started(seconds, state, log, wrong, len(new), before, after)


def state_of(station: AtWork) -> str:
    """The state's code, once it is another than that of a start."""
    code = str(station.page.get("/api/status").json()["state"]["code"])
    return "" if code == "starting" else code


def dates_of_new(station: AtWork, known: set[str]) -> dict[int, datetime]:
    """The dates of stored items whose run is not known, by number; none while there are too few."""
    found = station.page.get("/api/search", params={"limit": 50}).json()["items"]
    new = {item["item"]: datetime.fromisoformat(item["time"]) for item in found if item["run"] not in known}
    return new if len(new) >= ENOUGH else {}


def off_by(date: datetime) -> timedelta:
    return abs(date.astimezone(UTC) - datetime.now(UTC))


def corrected(machine: Machine, station: AtWork, known: set[str]) -> timedelta:
    """Set the date as systemd-timesyncd does, and wait until the rows of this boot have moved with it; how far off they are."""
    now = datetime.now(UTC).isoformat()
    machine.run(f"date -u -s '{now}' && mkdir -p /run/systemd/timesync && touch /run/systemd/timesync/synchronized")

    def worst() -> timedelta:
        return max(map(off_by, dates_of_new(station, known).values()))

    until(lambda: worst() < timedelta(hours=1), "the rows have moved", READY_S)
    return worst()
