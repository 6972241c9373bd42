"""Which way and how fast things move in a clip of an unknown station, and whether it is a belt that moves them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from edge.clock import NS_PER_S
from edge.sensing.background import Background
from edge.sensing.blobs import cover, find_blobs
from edge.sensing.view import View
from edge.tools.count.trails import Trail, Trails
from edge.types import Box, Frame, Image

Direction = Literal["right", "left", "down", "up"]

# Pictures that are looked at, and how many of them, spread over the time, show what the empty place looks like.
MOST_FRAMES, FOR_EMPTY = 900, 45
MIN_AREA, GAP = 12.0, 3.0
# A pass: over this share of the view at least, straight, never back, seen in so many pictures, at a steady pace: the
# middle half of its speeds differs by no more than this share. Hands speed up, slow down and turn back.
LEAST_WAY, LEAST_SIGHTS = 0.25, 4
STRAIGHT, BACK, UNEVEN = 0.3, 0.1, 0.5
# A belt: its passes make up most of the way of all passes, their speeds differ by no more than this share, and things
# that came to rest for so long are no more than they.
MOST_WAY, SPREAD, RESTED_S = 0.65, 0.5, 1.0


@dataclass(frozen=True, slots=True)
class Pass:
    """A thing that went through the view in one go: which way, how far (share of the view), small pixels per second."""

    direction: Direction
    way: float
    speed: float


@dataclass(frozen=True, slots=True)
class Motion:
    """How things move: `share` of the way of all passes goes that way, at `speed` (picture pixels per second).

    `spread` is the range of the middle half of the passes' speeds, as a share of the speed. `rests` counts the things
    that were seen whole and at rest.
    """

    direction: Direction
    speed: float
    share: float
    passes: int
    spread: float
    rests: int

    @property
    def is_belt(self) -> bool:
        return self.share >= MOST_WAY and self.spread <= SPREAD and self.rests <= self.passes


def survey(frames: Iterable[Frame], region: Box) -> Motion | None:
    """Return the prevailing motion within a part of the picture; None if nothing goes through it."""
    view = View(region)
    pictures: list[tuple[int, Image]] = []
    for frame in frames:
        pictures.append((frame.captured_at, view.shrink(frame)))
        if len(pictures) == MOST_FRAMES:
            break
    return _prevailing(_trails(pictures, view), view) if pictures else None


def _trails(pictures: Sequence[tuple[int, Image]], view: View) -> Sequence[Trail]:
    """Return the ways of everything that differs from what the view shows for most of the time."""
    some = [small for _, small in pictures[:: -(-len(pictures) // FOR_EMPTY)]]
    background = Background(np.median(some, axis=0).astype(np.uint8), along_belt=False)
    trails = Trails(view.size)
    learnt_at = pictures[0][0]
    for at, small in pictures:
        difference = background.compare(small)
        blobs = [] if difference is None else find_blobs(difference, MIN_AREA, GAP, apart=False)
        trails.follow(blobs, at)
        if at > learnt_at:
            background.learn(small, (at - learnt_at) / NS_PER_S, cover(small, blobs, 3))
            learnt_at = at
    return trails.all()


def find_pass(trail: Trail, size: tuple[int, int]) -> Pass | None:
    """Return the pass that a thing's way is, or None if it is not what a belt does with a thing."""
    if len(trail.at) < LEAST_SIGHTS or not trail.whole:
        return None
    at, way = np.array(trail.at), np.array(trail.way)
    axis = int(np.argmax(np.abs(way[-1]) / size))
    along, across = way[:, axis] * np.sign(way[-1, axis]), way[:, 1 - axis]
    length = float(along[-1])
    back = float((np.maximum.accumulate(along) - along).max())
    if length < LEAST_WAY * size[axis] or np.ptp(across) > STRAIGHT * length or back > BACK * length:
        return None
    # Equal parts of the way: how long did each take?
    marks = np.interp(np.linspace(0, length, 9), np.maximum.accumulate(along) + 1e-6 * np.arange(len(along)), at)
    low, middle, high = np.percentile(np.diff(marks), (25, 50, 75))
    if middle <= 0 or high - low > UNEVEN * middle:
        return None
    directions: tuple[Direction, ...] = ("right", "down") if way[-1, axis] > 0 else ("left", "up")
    return Pass(directions[axis], length / size[axis], float(length / 8 / middle))


def _prevailing(trails: Sequence[Trail], view: View) -> Motion | None:
    passes = [one for trail in trails if (one := find_pass(trail, view.size)) is not None]
    if not passes:
        return None
    ways = {one.direction: sum(other.way for other in passes if other.direction == one.direction) for one in passes}
    best = max(ways, key=lambda direction: ways[direction])
    speeds = [one.speed for one in passes if one.direction == best]
    low, speed, high = np.percentile(speeds, (25, 50, 75))
    return Motion(
        best,
        speed=float(speed) * view.along_scale,
        share=ways[best] / sum(ways.values()),
        passes=len(speeds),
        spread=float((high - low) / speed),
        rests=sum(trail.whole and trail.rested_s() >= RESTED_S for trail in trails),
    )
