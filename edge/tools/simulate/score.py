"""What the product did, held against what really happened: only the bin where an item lands counts."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edge.clock import NS_PER_MS, NS_PER_S
from edge.config import RESIDUAL, Station
from edge.line import Outcome
from edge.simulate.world.truth import SPILLED, TrueItem
from edge.tools.simulate.fault_spans import FaultSpan
from edge.types import Reason

_SLACK = 20.0  # how far beyond its own half length an item may be from where it was counted
_GROUP_SLACK = 10.0


@dataclass(frozen=True, slots=True)
class Record:
    """What is kept of one outcome; the frames themselves would fill the memory."""

    item_id: int
    crossed_at: int
    lane: int
    length_mm: float
    bin: str
    reason: Reason
    label: str
    decided_at: int
    fire_at: int | None
    crops_used: int

    @classmethod
    def of(cls, outcome: Outcome) -> Record:
        item, decision = outcome.item, outcome.decision
        return cls(
            item_id=item.item_id,
            crossed_at=item.crossed_at,
            lane=item.lane,
            length_mm=item.length_mm,
            bin=decision.bin,
            reason=decision.reason,
            label=decision.label,
            decided_at=decision.decided_at,
            fire_at=None if outcome.actuation is None else outcome.actuation.fire_at,
            crops_used=0 if outcome.prediction is None else outcome.prediction.crops_used,
        )


@dataclass(frozen=True, slots=True)
class Spread:
    """Least, median, 99th percentile and greatest of some durations, ms; zeros where there are none."""

    least: float = 0.0
    median: float = 0.0
    p99: float = 0.0
    most: float = 0.0

    @classmethod
    def of(cls, nanoseconds: Iterable[int]) -> Spread:
        values = np.array(list(nanoseconds), dtype=np.float64) / NS_PER_MS
        if values.size == 0:
            return cls()
        return cls(*(round(float(np.percentile(values, q)), 3) for q in (0, 50, 99, 100)))


@dataclass(frozen=True, slots=True)
class BinScore:
    """One bin: what fell into it, how much of that belongs there, and how much of what belongs there got there.

    `purity` is None where nothing fell in, `recovery` where nothing belonged in.
    """

    name: str
    landed: int
    belonging: int
    right: int

    @property
    def purity(self) -> float | None:
        return self.right / self.landed if self.landed else None

    @property
    def recovery(self) -> float | None:
        return self.right / self.belonging if self.belonging else None


@dataclass(frozen=True)
class Score:
    """Figures of one run.

    Attributes:
        items: items that went all the way.
        found: those that the product counted one by one.
        touching: those that it counted as part of a touching group, which goes to residual.
        missed: those that it did not count at all.
        doubled: further counts of an item already counted.
        phantom: counts of nothing.
        mis_timed: items that landed elsewhere than the product decided.
        spilled: items that landed in no bin.
        wrong_label: items that the model took for something else, whatever became of them.
        latency: from crossing the decision line to the decision.
        margin: from the decision to its stroke.
        faults: what the station raised.
    """

    items: int
    found: int
    touching: int
    missed: int
    doubled: int
    phantom: int
    mis_timed: int
    spilled: int
    wrong_label: int
    minutes: float
    bins: tuple[BinScore, ...]
    reasons: dict[str, int]
    latency: Spread
    margin: Spread
    dropped_frames: int = 0
    faults: tuple[FaultSpan, ...] = ()
    pairs: tuple[tuple[TrueItem, Record], ...] = field(default=(), repr=False)

    @property
    def items_per_min(self) -> float:
        return self.items / self.minutes if self.minutes else 0.0

    @property
    def diverted(self) -> BinScore:
        """All bins but residual taken together."""
        chosen = [b for b in self.bins if b.name != RESIDUAL]
        return BinScore(
            "diverted", sum(b.landed for b in chosen), sum(b.belonging for b in chosen), sum(b.right for b in chosen)
        )

    @property
    def residual_share(self) -> float:
        landed = next(b.landed for b in self.bins if b.name == RESIDUAL)
        return landed / self.items if self.items else 0.0

    @property
    def miscounted_share(self) -> float:
        return (self.missed + self.doubled + self.phantom) / self.items if self.items else 0.0

    def to_json(self) -> dict[str, Any]:
        """Return plain values for a JSON object, rounded to what they are worth."""
        return {
            "items": self.items,
            "items_per_min": round(self.items_per_min, 2),
            "minutes": self.minutes,
            "purity": _rounded(self.diverted.purity),
            "recovery": _rounded(self.diverted.recovery),
            "residual_share": _rounded(self.residual_share),
            "found": self.found,
            "touching": self.touching,
            "missed": self.missed,
            "double_counted": self.doubled,
            "phantom": self.phantom,
            "miscounted_share": _rounded(self.miscounted_share, 6),
            "mis_timed": self.mis_timed,
            "spilled": self.spilled,
            "wrong_label": self.wrong_label,
            "dropped_frames": self.dropped_frames,
            "bins": {
                b.name: {
                    "purity": _rounded(b.purity),
                    "recovery": _rounded(b.recovery),
                    "landed": b.landed,
                    "belonging": b.belonging,
                    "right": b.right,
                }
                for b in self.bins
            },
            "reasons": self.reasons,
            "decision_latency_ms": _spread(self.latency),
            "margin_before_deadline_ms": _spread(self.margin),
            "faults": [span.to_json() for span in self.faults],
        }


def score(
    station: Station,
    truth: Sequence[TrueItem],
    records: Sequence[Record],
    place: Callable[[int], float],
    seconds: float,
    dropped_frames: int = 0,
) -> Score:
    """Hold records against the truth.

    `place` turns an instant into a number along which items and records are compared: millimetres of belt,
    so that a belt that stops confuses nothing; for a bin station ten times the seconds.
    """
    items = [item for item in truth if item.landed_in and item.crossed_at]
    pairing = _Pairing(items, records, place)
    pairs = pairing.pairs
    return Score(
        items=len(items),
        found=len(pairs),
        touching=len(pairing.grouped),
        missed=len(items) - len(pairs) - len(pairing.grouped),
        doubled=pairing.doubled,
        phantom=pairing.phantom,
        mis_timed=sum(item.landed_in != record.bin for item, record in pairs)
        + sum(item.landed_in != RESIDUAL for item in pairing.grouped),
        spilled=sum(item.landed_in == SPILLED for item in items),
        wrong_label=sum(bool(record.label) and record.label != item.label for item, record in pairs),
        minutes=seconds / 60,
        bins=tuple(_bin_score(station, where.name, items) for where in station.bins),
        reasons=dict(sorted(Counter(record.reason.value for record in records).items())),
        latency=Spread.of(record.decided_at - record.crossed_at for record in records),
        margin=Spread.of(record.fire_at - record.decided_at for record in records if record.fire_at is not None),
        dropped_frames=dropped_frames,
        pairs=tuple(pairs),
    )


class _Pairing:
    """Finds for each record the item that it stands for, nearest first and each only once."""

    def __init__(self, items: Sequence[TrueItem], records: Sequence[Record], place: Callable[[int], float]) -> None:
        self._items = sorted(items, key=lambda item: item.crossed_at)
        self._at = [place(item.crossed_at) for item in self._items]
        self._longest = max((item.length_mm for item in items), default=0.0)
        self.grouped: list[TrueItem] = []
        self.pairs: list[tuple[TrueItem, Record]] = []
        self.doubled = 0
        self.phantom = 0
        taken: set[int] = set()
        for record in records:
            if record.reason is Reason.TOUCHING:
                taken |= self._take_group(place(record.crossed_at), record, taken)
        singles = [(record, place(record.crossed_at)) for record in records if record.reason is not Reason.TOUCHING]
        left = self._pair(singles, taken)
        for at in left:
            if any(abs(at - self._at[n]) <= self._items[n].length_mm / 2 + _SLACK for n in self._near(at)):
                self.doubled += 1
            else:
                self.phantom += 1

    def _near(self, at: float, reach: float = 0.0) -> range:
        reach = reach or self._longest / 2 + _SLACK
        return range(bisect_left(self._at, at - reach), bisect_right(self._at, at + reach))

    def _take_group(self, at: float, record: Record, taken: set[int]) -> set[int]:
        """A touching group stands for every item that lies within it; a group without any stands for nothing."""
        reach = record.length_mm / 2 + _GROUP_SLACK
        members = {n for n in self._near(at, reach) if n not in taken}
        if members:
            self.grouped += [self._items[n] for n in sorted(members)]
        elif len(self._near(at, reach)):
            self.doubled += 1
        else:
            self.phantom += 1
        return members

    def _pair(self, singles: Sequence[tuple[Record, float]], taken: set[int]) -> list[float]:
        """Pair records with items; return the places of the records that are left."""
        candidates = []
        for number, (record, at) in enumerate(singles):
            for n in self._near(at):
                item, off = self._items[n], abs(at - self._at[n])
                if n not in taken and off <= item.length_mm / 2 + _SLACK:
                    candidates.append((off + (_SLACK if item.lane != record.lane else 0.0), number, n))
        used: set[int] = set()
        for _, number, n in sorted(candidates):
            if number not in used and n not in taken:
                used.add(number)
                taken.add(n)
                self.pairs.append((self._items[n], singles[number][0]))
        self.pairs.sort(key=lambda pair: pair[0].number)
        return [at for number, (_, at) in enumerate(singles) if number not in used]


def _bin_score(station: Station, name: str, items: Sequence[TrueItem]) -> BinScore:
    landed = [item for item in items if item.landed_in == name]
    belonging = [item for item in items if station.route(item.label).name == name]
    return BinScore(name, len(landed), len(belonging), sum(station.route(i.label).name == name for i in landed))


def _rounded(value: float | None, digits: int = 4) -> float | None:
    return None if value is None else round(value, digits)


def _spread(spread: Spread) -> dict[str, float]:
    return {"least": spread.least, "median": spread.median, "p99": spread.p99, "most": spread.most}


def place_in_time(at: int) -> float:
    """The comparison place of a bin station: 10 for each second."""
    return at / NS_PER_S * 10
