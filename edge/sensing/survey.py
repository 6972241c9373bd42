"""Which way and how fast things move in a clip of an unknown station."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from edge.clock import NS_PER_S
from edge.sensing.background import Background
from edge.sensing.blobs import Blob, cover, find_blobs
from edge.sensing.view import View
from edge.types import Box, Frame

Direction = Literal["right", "left", "down", "up"]

# Velocity (small pixels per second) right and down, and where in the view, shares of its width and height.
Move = tuple[float, float, float, float]

# Frames that are looked at, and how far apart in time two of them are compared, seconds.
MOST_FRAMES = 900
LAG_S = 0.25
# Two blobs are held for one thing if their sizes differ by less than this.
ALIKE = 0.35
# Less is nothing that moves, small pixels.
LEAST_SHIFT = 2.0
# What covers this share of the view's width or height reaches across it.
SIDE_TO_SIDE = 0.75
# A belt: most movements go its way, there are some of them, the middle half of their speeds differs little, and they
# take place all over the view or are very much alike. Hands come and go at any speed.
BELT_SHARE, BELT_LEAST, BELT_SPREAD, BELT_SPAN = 0.65, 3, 0.6, 0.4
ALIKE_SHARE, ALIKE_SPREAD = 0.9, 0.25
MIN_AREA, GAP = 12.0, 3.0


@dataclass(frozen=True, slots=True)
class Motion:
    """How things move: `share` of all movements goes that way, at `speed` (picture pixels per second).

    `spread` is the range of the middle half of the speeds, as a share of the speed. `span` is the share of the view
    over which things were seen to move.
    """

    direction: Direction
    speed: float
    share: float
    movements: int
    spread: float
    span: float

    @property
    def is_belt(self) -> bool:
        one_way = self.share >= BELT_SHARE and self.movements >= BELT_LEAST
        all_alike = self.share >= ALIKE_SHARE and self.spread <= ALIKE_SPREAD
        return one_way and self.spread <= BELT_SPREAD and (self.span >= BELT_SPAN or all_alike)


def survey(frames: Iterable[Frame], region: Box) -> Motion | None:
    """Return the prevailing motion within a part of the picture; None if nothing moves.

    Things of one size are compared over a quarter of a second. Which is which need not be known: wrong pairs point
    everywhere, right ones one way.
    """
    view = View(region)
    background: Background | None = None
    seen: list[tuple[int, list[Blob]]] = []
    moves: list[Move] = []
    learnt_at = 0
    for number, frame in enumerate(frames):
        if number >= MOST_FRAMES:
            break
        small = view.shrink(frame.pixels)
        if background is None:
            background, learnt_at = Background(small), frame.captured_at
        difference = background.compare(small)
        blobs = [] if difference is None else find_blobs(difference, MIN_AREA, GAP, apart=False)
        moves += _moves(seen, blobs, frame.captured_at, view.size)
        seen = [entry for entry in [*seen, (frame.captured_at, blobs)] if frame.captured_at - entry[0] <= NS_PER_S]
        if frame.captured_at > learnt_at:
            background.learn(small, (frame.captured_at - learnt_at) / NS_PER_S, cover(small, blobs, 3))
            learnt_at = frame.captured_at
    return _prevailing(moves, view.along_scale)


def _moves(seen: list[tuple[int, list[Blob]]], blobs: list[Blob], at: int, size: tuple[int, int]) -> list[Move]:
    """Return the movements from the nearest blobs of a quarter of a second ago to these."""
    earlier = [entry for entry in seen if at - entry[0] >= LAG_S * NS_PER_S]
    if not earlier:
        return []
    then, old_blobs = earlier[-1]
    seconds = (at - then) / NS_PER_S
    moves = []
    for new in blobs:
        shifts = [shift for old in old_blobs if (shift := _shift(old, new, size)) is not None]
        if shifts:
            dx, dy = min(shifts, key=lambda shift: math.hypot(*shift))
            if math.hypot(dx, dy) >= LEAST_SHIFT:
                moves.append((dx / seconds, dy / seconds, new.centre / size[0], (new.top + new.bottom) / 2 / size[1]))
    return moves


def _shift(old: Blob, new: Blob, size: tuple[int, int]) -> tuple[float, float] | None:
    """Return how far one thing would have moved; None: they are two things, or the view cuts them off.

    What reaches from side to side of the view can only go along the other axis.
    """
    shift = [0.0, 0.0]
    for axis, (low, high) in enumerate((("left", "right"), ("top", "bottom"))):
        ends = [(getattr(blob, low), getattr(blob, high)) for blob in (old, new)]
        extents = [end - start for start, end in ends]
        if min(extents) >= SIDE_TO_SIDE * size[axis]:
            continue
        whole = all(start > 1 and end < size[axis] - 1 for start, end in ends)
        if not whole or abs(extents[0] - extents[1]) > ALIKE * max(extents) + 1:
            return None
        shift[axis] = (sum(ends[1]) - sum(ends[0])) / 2
    return shift[0], shift[1]


def _prevailing(moves: list[Move], scale: float) -> Motion | None:
    if not moves:
        return None
    along = np.array(moves)
    by_direction: dict[Direction, np.ndarray[tuple[int, ...], np.dtype[np.float64]]] = {
        "right": along[:, 0], "left": -along[:, 0], "down": along[:, 1], "up": -along[:, 1]
    }  # fmt: skip
    lengths = np.hypot(along[:, 0], along[:, 1])
    # By way, not by number: what comes into view from below seems to creep sideways meanwhile.
    best = max(by_direction, key=lambda d: float(lengths[by_direction[d] > 0.8 * lengths].sum()))
    mine = by_direction[best] > 0.8 * lengths
    low, speed, high = np.percentile(by_direction[best][mine], (25, 50, 75))
    places = along[mine, 2 if best in ("right", "left") else 3]
    return Motion(
        best,
        speed=float(speed) * scale,
        share=float(lengths[mine].sum() / lengths.sum()),
        movements=int(mine.sum()),
        spread=float((high - low) / speed),
        span=float(np.ptp(places)),
    )
