"""Who lies on the belt between the decision line and its end."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from edge.config import RESIDUAL
from edge.transport.belt import BeltModel
from edge.types import Item

# More than can lie between the decision line and the end of any belt.
MOST = 256
# Beyond the last diverter an item is remembered for this much further, mm.
BEYOND_MM = 1000.0


@dataclass(frozen=True, slots=True)
class BeltItem:
    """An item beyond the decision line.

    `front` and `back` are positions of the belt, mm, at which its ends cross the decision line; `reach` is how
    far from there it stays on the belt, mm.
    """

    item_id: int
    front: float
    back: float
    reach: float
    bin: str


@dataclass
class InTransit:
    """The items that were decided and have not left the belt yet, in the order in which they crossed.

    `distances` are those of the bins with a diverter, from the decision line, mm; what goes into another bin stays on.
    """

    distances: Mapping[str, float]
    belt: BeltModel
    _on_belt: deque[BeltItem] = field(default_factory=lambda: deque(maxlen=MOST))

    def board(self, item: Item, bin_name: str) -> BeltItem:
        """Return an item as a passenger on its way to a bin, without taking it in."""
        centre = self.belt.position(item.crossed_at)
        half = item.length_mm / 2
        reach = math.inf if bin_name == RESIDUAL else self.distances.get(bin_name, math.inf)
        return BeltItem(item.item_id, centre - half, centre + half, reach, bin_name)

    def add(self, item_on_belt: BeltItem) -> None:
        """Take one in."""
        self._on_belt.append(item_on_belt)

    def passing(self, distance: float, bin_name: str) -> list[BeltItem]:
        """Return the items that pass a diverter on their way to another bin than its."""
        return [p for p in self._on_belt if p.reach >= distance and p.bin != bin_name]

    def forget(self, now: int) -> None:
        """Drop those that have left the belt."""
        end = self.belt.position(now) - max(self.distances.values(), default=0.0) - BEYOND_MM
        while self._on_belt and self._on_belt[0].back < end:
            self._on_belt.popleft()
