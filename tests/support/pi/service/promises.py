"""What a station has said to be stored while its disk was recorded, and whether that is there after a power cut."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import cv2
from support.pi.cut_disk import Record

from edge.config import Station, load_station
from edge.errors import SorterError
from edge.journal.reading import ItemRecord, Query, check_journal, read_all
from edge.models.select import open_store
from edge.models.verify import verify_store
from edge.station.stops.latch import PauseLatch
from edge.teaching.shown import ShownItems

STATION_FILE, STATE_FOLDER = "etc/sorter/station.toml", "var/lib/sorter"
Item = tuple[str, int]
"""A run of the controller and the number of an item in it."""


@dataclass(frozen=True)
class Promised:
    """All that was said by some moment.

    Args:
        items: those of the journal.
        installed: digests of models.
        active: number of the generation of models that was at work, and the title of its model.
        pauses: how many changes between sorting and being paused are done, and how many were asked for.
        shown: things of each label.
    """

    items: frozenset[Item] = frozenset()
    installed: frozenset[str] = frozenset()
    active: tuple[int, str] = (0, "")
    pauses: tuple[int, int] = (0, 0)
    shown: Mapping[str, int] = field(default_factory=dict)

    def __or__(self, later: Promised) -> Promised:
        return Promised(
            self.items | later.items,
            self.installed | later.installed,
            max(self.active, later.active),
            (max(self.pauses[0], later.pauses[0]), max(self.pauses[1], later.pauses[1])),
            {**self.shown, **later.shown},
        )


@dataclass
class Chronicle:
    """What was wanted and promised while the machine was at work, each at a place in the record of its disk.

    Args:
        phases: by the name of what was done, the entries of the record from which and to which it was done.
    """

    record: Record
    phases: dict[str, tuple[int, int]] = field(default_factory=dict)
    promises: list[tuple[int, Promised]] = field(default_factory=list)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """What is done within is cut off later, 20 times."""
        begin = self.record.settled()
        yield
        self.phases[name] = (begin, self.record.settled())

    def promise(self, promised: Promised) -> None:
        """The station has just said so, or is about to be asked."""
        self.promises.append((self.record.settled(), promised))

    def promised(self, entries: int) -> Promised:
        """All that was said when the record had so many entries."""
        found = Promised()
        for at, promised in self.promises:
            if at <= entries:
                found |= promised
        return found

    def wrong(self, root: Path, entries: int, *, resumed: bool = False) -> list[str]:
        """Hold what a cut after so many entries has left in a root file system against what was promised.

        `resumed` says that a person has started the machine since, and let the station go on.
        """
        try:
            station = load_station(root / STATION_FILE).with_values(state_folder=root / STATE_FOLDER)
            promised = self.promised(entries)
            found = [*_wrong_items(station, promised), *_wrong_models(station, promised)]
            found += [] if resumed else _wrong_pause(station, promised)
            return [*found, *_wrong_pictures(station, promised)]
        except SorterError as error:
            return [str(error)]


def _wrong_models(station: Station, promised: Promised) -> Iterator[str]:
    store = open_store(station)
    yield from (f"{finding.where}: {finding.problem}" for finding in verify_store(store))
    if gone := promised.installed - {model.digest for model in store.models()}:
        yield f"{len(gone)} models were installed and are not there"
    number, title = promised.active
    active = store.active()
    if active is None or active.number < number:
        yield f"{active} is at work; {title} was as generation {number}"
        return
    store.open(active.current)
    # A later one was asked for, or the station came back to the one before: whole it is, as was just seen.
    if active.number == number and store.find(active.current).title != title:
        yield f"{active} is at work; expected {title}"


def _wrong_items(station: Station, promised: Promised) -> Iterator[str]:
    path = station.state_folder / "journal.db"
    if not promised.items and not path.exists():
        return
    yield from check_journal(path)
    found = {(record.run_id, record.item) for record in read_all(path, ItemRecord, Query())}
    if lost := promised.items - found:
        yield f"{len(lost)} of {len(promised.items)} items were stored and are not there: {sorted(lost)[:3]}"


def _wrong_pause(station: Station, promised: Promised) -> Iterator[str]:
    is_paused = PauseLatch(station.state_folder).is_set
    done, wanted = promised.pauses
    # Every second change is a pause.
    if is_paused not in {bool(changes % 2) for changes in range(done, wanted + 1)}:
        yield f"paused is {is_paused} after {done} changes of {wanted}"


def _wrong_pictures(station: Station, promised: Promised) -> Iterator[str]:
    shown = ShownItems(station.state_folder)
    for label, count in promised.shown.items():
        if (there := len(shown.items(label))) < count:
            yield f"{count} things of {label} were shown, {there} are there"
    for path in shown.folder.glob("*/*.png"):
        if not path.name.startswith(".") and cv2.imread(str(path)) is None:
            yield f"{path.name} is no picture"
