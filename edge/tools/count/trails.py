"""Things followed through a clip of which nothing is known: not which way they go, how fast, or whether at all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from edge.clock import NS_PER_S, ms
from edge.sensing.blobs import Blob

# Two blobs are held for one thing if their sizes differ by less than this.
ALIKE = 0.35
# What reaches across this share of the view can't be seen to move that way.
SIDE_TO_SIDE = 0.75
# A thing that is not found for so long is gone.
GONE_NS = ms(400)
# A thing's pace is taken over this time: recorded clips repeat frames.
PACE_NS = ms(250)
# How far from its predicted place a thing is looked for: small pixels, and shares of its size and of its step. One of
# which the pace is not known is looked for over a share of the view.
SLACK, SLACK_SIZE, SLACK_STEP, REACH = 3.0, 0.5, 0.5, 0.35
# A thing at rest stays within so many small pixels.
REST = 2.0

Shift = tuple[float, float]


@dataclass
class Trail:
    """One thing's way: instants (s) and how far it has come, right and down, small pixels."""

    blob: Blob
    seen_at: int
    whole: bool
    at: list[float] = field(default_factory=list)
    way: list[Shift] = field(default_factory=list)

    def pace(self) -> Shift | None:
        """Return its velocity over the last quarter of a second, small pixels per second; None: seen once."""
        if len(self.at) < 2:
            return None
        n = next((n for n in range(len(self.at) - 2, -1, -1) if self.at[-1] - self.at[n] >= PACE_NS / NS_PER_S), 0)
        seconds = self.at[-1] - self.at[n]
        return (self.way[-1][0] - self.way[n][0]) / seconds, (self.way[-1][1] - self.way[n][1]) / seconds

    def take(self, blob: Blob, at: int, shift: Shift, *, whole: bool) -> None:
        """Go on to where it was found."""
        x, y = self.way[-1]
        self.blob, self.seen_at, self.whole = blob, at, self.whole or whole
        self.at.append(at / NS_PER_S)
        self.way.append((x + shift[0], y + shift[1]))

    def rested_s(self) -> float:
        """Return for how long at most it lay still, seconds."""
        at, way = np.array(self.at), np.array(self.way)
        longest, start = 0.0, 0
        for n in range(1, len(at)):
            while np.abs(way[n] - way[start]).max() > REST:
                start += 1
            longest = max(longest, float(at[n] - at[start]))
        return longest


class Trails:
    """Follows the blobs of a clip's pictures from one to the next."""

    def __init__(self, size: tuple[int, int]) -> None:
        """`size` is the view's, small pixels."""
        self._size = size
        self._open: list[Trail] = []
        self._all: list[Trail] = []

    def follow(self, blobs: Sequence[Blob], at: int) -> None:
        """Take in the blobs of the next picture."""
        pairs: list[tuple[bool, float, int, int, Shift]] = []
        for t, trail in enumerate(self._open):
            pace = trail.pace()
            for b, blob in enumerate(blobs):
                shift = shift_between(trail.blob, blob, self._size)
                if shift is not None and (off := self._off(trail, shift, pace, at)) is not None:
                    pairs.append((pace is None, off, t, b, shift))
        # Things whose pace is known choose first, the best fitting ones before others.
        taken_trails, taken_blobs = set(), set()
        for _, _, t, b, shift in sorted(pairs):
            if t not in taken_trails and b not in taken_blobs:
                taken_trails.add(t)
                taken_blobs.add(b)
                self._open[t].take(blobs[b], at, shift, whole=self._is_whole(blobs[b]))
        self._open = [trail for trail in self._open if at - trail.seen_at <= GONE_NS]
        for b, blob in enumerate(blobs):
            if b not in taken_blobs:
                trail = Trail(blob, at, self._is_whole(blob), [at / NS_PER_S], [(0.0, 0.0)])
                self._open.append(trail)
                self._all.append(trail)

    def all(self) -> Sequence[Trail]:
        """Return the ways of everything that was seen."""
        return self._all

    def _off(self, trail: Trail, shift: Shift, pace: Shift | None, at: int) -> float | None:
        """Return how far a shift is from what a trail's pace lets expect; None: too far."""
        if pace is None:
            way = math.hypot(*shift)
            return way if way <= REACH * max(self._size) else None
        seconds = (at - trail.seen_at) / NS_PER_S
        step = pace[0] * seconds, pace[1] * seconds
        extent = min(trail.blob.length, trail.blob.bottom - trail.blob.top)
        off = math.hypot(shift[0] - step[0], shift[1] - step[1])
        return off if off <= SLACK + SLACK_SIZE * extent + SLACK_STEP * math.hypot(*step) else None

    def _is_whole(self, blob: Blob) -> bool:
        return all(all(seen) for seen in _ends(blob, self._size))


def shift_between(old: Blob, new: Blob, size: tuple[int, int]) -> Shift | None:
    """Return how far one thing would have moved, by those of its ends that are in view; None: it is none.

    What reaches from side to side of the view can only be seen to go along the other axis.
    """
    shift = [0.0, 0.0]
    for axis, (low, high) in enumerate((("left", "right"), ("top", "bottom"))):
        before = getattr(old, low), getattr(old, high)
        after = getattr(new, low), getattr(new, high)
        extents = before[1] - before[0], after[1] - after[0]
        if min(extents) >= SIDE_TO_SIDE * size[axis]:
            continue
        seen = [o and n for o, n in zip(_ends(old, size)[axis], _ends(new, size)[axis], strict=True)]
        shifts = [after[n] - before[n] for n in (0, 1) if seen[n]]
        if not shifts or (all(seen) and abs(extents[0] - extents[1]) > ALIKE * max(extents) + 1):
            return None
        shift[axis] = sum(shifts) / len(shifts)
    return shift[0], shift[1]


def _ends(blob: Blob, size: tuple[int, int]) -> tuple[tuple[bool, bool], tuple[bool, bool]]:
    """Return whether the view shows a blob's left and right, its top and bottom end."""
    return (blob.left > 1, blob.right < size[0] - 1), (blob.top > 1, blob.bottom < size[1] - 1)
