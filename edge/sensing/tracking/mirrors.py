"""An item's mirror image in a polished rail beside the belt: it goes along like an item, and is none.

What tells the two apart is that the image has both its ends where the item has its own, in every frame, shows the same
difference from the empty place turned over, and fainter. Plain things look the same turned over: there one pair proves
nothing, and a second pair about the same line does.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edge.sensing.background import Planes
from edge.sensing.tracking.tracks import Track
from edge.types import Image

# Small pixels by which the ends of item and image may differ, and the share of frames in which they must not.
ALIGNED, ALIGNED_SHARE, LEAST_FRAMES = 1.5, 0.7, 4
# By how much their extents across the belt may differ, as a share of the larger.
WIDTHS = 0.3
# How alike the image must be turned over, by how much less alike as it is if that alone shall prove it, and how much
# fainter it must be: two equal items under uneven light differ by less.
ALIKE, MORE_ALIKE, FAINTER = 0.8, 0.1, 0.75
# Small pixels by which the lines of one rail differ from pair to pair.
RAIL = 2.0
# So many lines are remembered.
MOST_LINES = 32


@dataclass
class _Pair:
    """What was seen of two tracks, one above the other: frames, sums of products of their differences, and the line."""

    frames: int = 0
    aligned: int = 0
    upper: float = 0.0
    lower: float = 0.0
    turned: float = 0.0
    as_it_is: float = 0.0
    line: float = 0.0

    def is_candidate(self) -> bool:
        if self.aligned < LEAST_FRAMES or self.aligned < ALIGNED_SHARE * self.frames:
            return False
        faint, strong = sorted((self.upper, self.lower))
        alike, plain = self.likeness()
        return math.sqrt(faint) <= FAINTER * math.sqrt(strong) and alike >= ALIKE and alike >= plain - 0.02

    def likeness(self) -> tuple[float, float]:
        """How alike they are turned over, and as they are: cosines."""
        norm = math.sqrt(self.upper * self.lower)
        return (self.turned / norm, self.as_it_is / norm) if norm > 0 else (0.0, 0.0)


class Mirrors:
    """Watches pairs of tracks side by side, and learns where the rails are that mirror (`rails`: small pixels)."""

    def __init__(self, rails: Iterable[float] = ()) -> None:
        self.rails: list[float] = list(rails)
        self._pairs: dict[tuple[int, int], _Pair] = {}
        self._lines: dict[tuple[int, int], float] = {}

    def note(self, tracks: Sequence[Track], small: Image, empty: Planes) -> None:
        """Take in a frame: `small` is the picture, `empty` what it would be without things, both (across, along, 3)."""
        seen = {track.track_id: track for track in tracks if not track.missed}
        for upper, lower in _side_by_side(list(seen.values())):
            self._pairs.setdefault((upper.track_id, lower.track_id), _Pair())
        if not self._pairs:
            return
        for key, pair in self._pairs.items():
            if key[0] in seen and key[1] in seen:
                _add(pair, seen[key[0]], seen[key[1]], small, empty)
                if pair.is_candidate():
                    self._lines[key] = pair.line
        while len(self._lines) > MOST_LINES:
            del self._lines[next(iter(self._lines))]
        present = {track.track_id for track in tracks}
        self._pairs = {key: pair for key, pair in self._pairs.items() if present.issuperset(key)}

    def is_image(self, track: Track) -> bool:
        """Tell whether a track is the mirror image of another one that is followed now."""
        return any(
            self._proves(key, pair) for key, pair in self._pairs.items() if _fainter(key, pair) == track.track_id
        )

    def _proves(self, key: tuple[int, int], pair: _Pair) -> bool:
        if not pair.is_candidate():
            return False
        alike, plain = pair.likeness()
        others = [line for other, line in self._lines.items() if other != key]
        proven = alike - plain >= MORE_ALIKE or _near(pair.line, [*self.rails, *others])
        if proven and not _near(pair.line, self.rails):
            self.rails.append(pair.line)
        return proven


def _side_by_side(tracks: list[Track]) -> Iterator[tuple[Track, Track]]:
    """Pairs, the upper one first, whose ends lie side by side now."""
    tracks.sort(key=lambda track: track.right)
    for number, one in enumerate(tracks):
        for other in tracks[number + 1 :]:
            if other.right - one.right > ALIGNED:
                break
            upper, lower = (one, other) if one.top <= other.top else (other, one)
            if abs(one.left - other.left) <= ALIGNED and upper.bottom <= lower.top + 1:
                yield upper, lower


def _add(pair: _Pair, upper: Track, lower: Track, small: Image, empty: Planes) -> None:
    pair.frames += 1
    if abs(upper.left - lower.left) > ALIGNED or abs(upper.right - lower.right) > ALIGNED:
        return
    heights = upper.bottom - upper.top, lower.bottom - lower.top
    if abs(heights[0] - heights[1]) > WIDTHS * max(heights) + 1:
        return
    line = (upper.top + upper.bottom + lower.top + lower.bottom) / 4
    seen = _differences(upper, line, small, empty)
    if seen is None:
        return
    one, other = seen
    pair.aligned += 1
    pair.line += (line - pair.line) / pair.aligned
    pair.upper += float((one * one).sum())
    pair.lower += float((other * other).sum())
    pair.turned += float((one * other[::-1]).sum())
    pair.as_it_is += float((one * other).sum())


def _fainter(key: tuple[int, int], pair: _Pair) -> int:
    return key[0] if pair.upper < pair.lower else key[1]


def _near(line: float, lines: Iterable[float]) -> bool:
    return any(abs(line - other) <= RAIL for other in lines)


def _differences(upper: Track, line: float, small: Image, empty: Planes) -> tuple[Planes, Planes] | None:
    """What differs from the empty place in the upper track's box and in its mirror image about the line."""
    left, right = max(0, round(upper.left)), round(upper.right)
    near, far = max(0, round(line - upper.bottom)), round(line - upper.top)
    middle = 2 * line
    tops = round(line) - far, round(middle - round(line)) + near
    height = far - near
    if height < 2 or tops[0] < 0 or tops[1] + height > small.shape[0]:
        return None
    parts = (np.s_[top : top + height, left:right] for top in tops)
    one, other = (small[part].astype(np.float32) - empty[part] for part in parts)
    return one, other
