"""The lengths of one view of a belt, in small pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass

from edge.config.belt import Belt
from edge.config.sorting import Sensing
from edge.sensing.blobs import GROWN
from edge.sensing.view import View

# Small pixels from the view's ends within which a thing counts as cut off by it.
EDGE = 1.0
# What is by this factor longer than the longest item is two of them; blur and shadow make a thing a little longer.
LONGER = 1.1


@dataclass(frozen=True, slots=True)
class BeltScale:
    """A view is `along` x `across` small pixels of `mm` millimetres; the decision line is at `line`.

    Less than `min_area` is dirt, more than `longest` is two items, parts within `gap` are one.
    """

    along: float
    across: float
    mm: float
    line: float
    min_area: float
    longest: float
    gap: float
    lanes: int

    @classmethod
    def of(cls, sensing: Sensing, belt: Belt, view: View) -> BeltScale:
        """Return the scale of a view of a belt."""
        along, across = view.size
        mm = belt.mm_per_pixel * view.along_scale
        largest = sensing.largest_item_mm
        return cls(
            along=along,
            across=across,
            mm=mm,
            line=belt.decision_line * along,
            min_area=max(6.0, sensing.min_item_mm2 / mm**2),
            longest=math.inf if largest is None else LONGER * largest / mm + 2 * GROWN,
            gap=belt.merge_gap_mm / mm,
            lanes=belt.lanes,
        )

    def lane(self, across: float) -> int:
        """Return the number of the lane at a place across the belt, from 0."""
        return min(self.lanes - 1, max(0, int(across / self.across * self.lanes)))
