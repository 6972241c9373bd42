"""How full the bins are, by a sensor or by count, and since when they fill; counts are kept over restarts."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked

from edge.clock import NS_PER_S, ms
from edge.config import RESIDUAL, Station
from edge.config.inputs import InputRole
from edge.devices.gpio.inputs import Edge
from edge.health.faults import FaultKind
from edge.health.monitors import Observer
from edge.health.monitors.lasting import Lasting
from edge.health.monitors.machine import RELEASED
from edge.line import Outcome
from edge.system.files import quarantine, read_regular, write_atomically
from edge.types import Stroke, StrokeOutcome

log = logging.getLogger(__name__)

# A power cut forgets the items of this span at most; more often would wear the card.
KEEP_EVERY_NS = 60 * NS_PER_S
LARGEST_FILE = 1 << 16
FULL_NS = ms(2000)


def capacities_of(station: Station) -> dict[str, int | None]:
    """Return after how many items each bin counts as full; None: never, or a sensor knows better."""
    return {where.name: where.capacity if where.full_pin is None else None for where in station.bins}


@checked(frozen=True, slots=True)
class _Level:
    """The items in a bin, and when it was emptied, seconds since the epoch; None: not known."""

    items: Annotated[int, Field(ge=0)] = 0
    since: Annotated[float, Field(allow_inf_nan=False)] | None = None


_FILE = TypeAdapter(dict[str, _Level])


@dataclass
class BinLevels:
    """Items in each bin since it was emptied; any thread may call any method.

    `folder` is where they are kept; None: nowhere. `wall_time` returns the date, seconds since the epoch.
    `was_damaged` says that what was kept there can't be used.
    """

    capacities: Mapping[str, int | None]
    folder: Path | None = None
    wall_time: Callable[[], float] = lambda: 0.0
    was_damaged: bool = field(default=False, init=False)
    _levels: dict[str, _Level] = field(default_factory=dict, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _kept: dict[str, _Level] = field(default_factory=dict, init=False)
    _kept_at: int | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._levels = dict.fromkeys(self.capacities, _Level(0, self._date())) | self._load()
        self._kept = dict(self._levels)

    @property
    def counts(self) -> Mapping[str, int]:
        """Items by bin."""
        with self._lock:
            return {name: level.items for name, level in self._levels.items()}

    @property
    def emptied_at(self) -> Mapping[str, float]:
        """When each bin was emptied, seconds since the epoch; without those of which it isn't known."""
        with self._lock:
            return {name: level.since for name, level in self._levels.items() if level.since is not None}

    @property
    def full(self) -> Sequence[str]:
        """The bins that hold as many items as they may."""
        most = self.capacities
        return [name for name, count in self.counts.items() if (limit := most[name]) is not None and count >= limit]

    def count_item(self, bin_name: str) -> None:
        """Count an item that was sent there."""
        with self._lock:
            if bin_name in self._levels:
                level = self._levels[bin_name]
                self._levels[bin_name] = replace(level, items=level.items + 1)

    def empty(self, names: Iterable[str]) -> None:
        """Count these bins as emptied now."""
        with self._lock:
            self._levels.update({name: _Level(0, self._date()) for name in names if name in self._levels})

    def empty_full(self) -> Sequence[str]:
        """Count the full bins as emptied, as a person says; return which these were."""
        emptied = self.full
        self.empty(emptied)
        return emptied

    def save(self, now: int, *, at_once: bool = False) -> None:
        """Store the counts, not more often than each minute unless asked to; waits for the disk."""
        with self._lock:
            levels = dict(self._levels)
        due = at_once or self._kept_at is None or now - self._kept_at >= KEEP_EVERY_NS
        emptied = any(level.items < self._kept[name].items for name, level in levels.items())
        if self.folder is None or levels == self._kept or not (due or emptied):
            return
        self._kept_at = now
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_atomically(self._path(self.folder), _FILE.dump_json(levels))
        except OSError as error:
            log.warning("%s could not be stored (%s); tried again", self._path(self.folder), error.strerror)
        else:
            self._kept = levels

    def _date(self) -> float | None:
        now = self.wall_time()
        return now if now >= RELEASED else None

    def _load(self) -> dict[str, _Level]:
        """Return what an earlier run left of the bins that there are; nothing where its file can't be read."""
        if self.folder is None:
            return {}
        path = self._path(self.folder)
        try:
            found = _FILE.validate_json(read_regular(path, LARGEST_FILE))
            return {name: found[name] for name in self.capacities if name in found}
        except FileNotFoundError:
            return {}
        except (OSError, ValidationError) as error:
            log.error("%s can't be read (%s): the bins count as empty", path, type(error).__name__)
            self.was_damaged = True
            with suppress(OSError):  # a read-only disk keeps it where it is
                log.error("it was set aside as %s", quarantine(path))
            return {}

    @staticmethod
    def _path(folder: Path) -> Path:
        return folder / "bin-levels.json"


class BinLevelMonitor(Observer):
    """Counts items into bins as they are sent there, and says which bins are full; `sensed` are those with a sensor.

    A bin whose sensor no longer says full was emptied.
    """

    kinds = frozenset({FaultKind.BIN_FULL, FaultKind.RESIDUAL_FULL, FaultKind.BIN_LEVELS_DAMAGED})

    def __init__(self, levels: BinLevels, sensed: Collection[str]) -> None:
        self.levels = levels
        self._was_damaged = levels.was_damaged
        self._sensors = {name: Lasting(FULL_NS) for name in sensed}
        self._sensed: frozenset[str] = frozenset()
        self._sent: dict[int, str] = {}  # the bins of items whose strokes are still to come

    def on_edge(self, edge: Edge) -> None:
        if edge.name.role is InputRole.FULL:
            self._sensors[edge.name.bin].active = edge.active

    def on_outcome(self, outcome: Outcome, now: int) -> None:
        if outcome.actuation is None:
            self.levels.count_item(outcome.decision.bin)
        else:
            self._sent[outcome.item.item_id] = outcome.decision.bin

    def on_stroke(self, stroke: Stroke) -> None:
        """Count an item into its bin when its stroke was fired; without a stroke it ran on to residual."""
        if stroke.outcome is StrokeOutcome.MOVED:
            return
        for where in [self._sent.pop(item_id, None) for item_id in stroke.actuation.item_ids]:
            if where is not None:
                self.levels.count_item(where if stroke.outcome is StrokeOutcome.FIRED else RESIDUAL)

    def on_reset(self, *, after_stop: bool) -> None:
        """A reset that ends no emergency stop says that the bins that were counted full are empty."""
        self._was_damaged = False
        if not after_stop:
            self.levels.empty_full()

    def faults(self, now: int) -> Iterator[tuple[FaultKind, str]]:
        sensed = [name for name, sensor in self._sensors.items() if sensor.is_due(now)]
        self.levels.empty(self._sensed.difference(sensed))
        self._sensed = frozenset(sensed)
        for where in (*sensed, *self.levels.full):
            yield FaultKind.RESIDUAL_FULL if where == RESIDUAL else FaultKind.BIN_FULL, where
        if self._was_damaged:
            yield FaultKind.BIN_LEVELS_DAMAGED, ""
