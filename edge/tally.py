"""What became of every item, counted: the one place that says when an item counts as sorted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Final

from edge.types import Reason, StrokeOutcome

# Where an item landed, as the journal keeps it beside the names of bins, none of which has brackets.
EXPECTED: Final = "(expected)"
NOT_SEEN: Final = "(not seen)"

IN_NO_BIN: Final = frozenset({Reason.UNDER_WAY, Reason.NOT_DIVERTED, Reason.NOT_SEEN})
"""Meant for a bin, and not known to lie in it."""

_ON_THE_WAY: Final = (StrokeOutcome.PENDING, StrokeOutcome.MOVED)
# Strokes may be told just before their items; so many are remembered.
_MOST_EARLY = 64


def what_happened(reason: Reason, stroke: StrokeOutcome | None, landed: str | None) -> Reason:
    """Return why an item is where it is: it counts as sorted once its stroke was fired and, where the bin has an exit
    sensor, that has seen it fall in. An item that the sensor did not see is not counted as sorted: nobody knows where it is.

    `stroke` is the stroke's outcome, None where none was commanded. `landed` is None where the bin
    has no exit sensor, EXPECTED until it has spoken, then the bin or NOT_SEEN.
    """
    if reason is not Reason.SORTED or stroke is None:
        return reason
    if stroke in _ON_THE_WAY or (stroke is StrokeOutcome.FIRED and landed == EXPECTED):
        return Reason.UNDER_WAY
    if stroke is not StrokeOutcome.FIRED:
        return Reason.NOT_DIVERTED
    return Reason.NOT_SEEN if landed == NOT_SEEN else Reason.SORTED


@dataclass(frozen=True, slots=True)
class _Item:
    bin: str
    reason: Reason
    stroke: StrokeOutcome | None
    landed: str | None

    @property
    def became(self) -> Reason:
        return what_happened(self.reason, self.stroke, self.landed)


@dataclass
class Tally:
    """Counts items by bin and by what became of them; what was counted in `settled` never changes again."""

    settled: Counter[tuple[str, Reason]] = field(default_factory=Counter)
    _under_way: dict[int, _Item] = field(default_factory=dict)
    _early: dict[int, StrokeOutcome] = field(default_factory=dict)

    @property
    def under_way(self) -> Counter[str]:
        """Items by the bin that they are on their way to."""
        return Counter(item.bin for item in self._under_way.values())

    @property
    def counts(self) -> dict[tuple[str, Reason], int]:
        """All items by bin and by what became of them so far."""
        return {**self.settled, **{(where, Reason.UNDER_WAY): n for where, n in self.under_way.items()}}

    def decided(self, item_id: int, bin_name: str, reason: Reason, *, has_stroke: bool, is_watched: bool) -> None:
        """Count an item; `is_watched` says that its bin has an exit sensor."""
        stroke = self._early.pop(item_id, StrokeOutcome.PENDING) if has_stroke else None
        self._put(item_id, _Item(bin_name, reason, stroke, EXPECTED if is_watched else None))

    def stroke_ended(self, item_id: int, outcome: StrokeOutcome) -> None:
        """Take note of what became of an item's stroke."""
        item = self._under_way.get(item_id)
        if item is not None:
            self._put(item_id, replace(item, stroke=outcome))
            return
        self._early[item_id] = outcome
        while len(self._early) > _MOST_EARLY:
            del self._early[next(iter(self._early))]

    def landed(self, item_id: int, *, seen: bool) -> None:
        """Take note of what the exit sensor of an item's bin saw."""
        item = self._under_way.get(item_id)
        if item is not None:
            self._put(item_id, replace(item, landed=item.bin if seen else NOT_SEEN))

    def _put(self, item_id: int, item: _Item) -> None:
        if item.became is Reason.UNDER_WAY:
            self._under_way[item_id] = item
        else:
            self._under_way.pop(item_id, None)
            self.settled[item.bin, item.became] += 1
