"""What of a picture lies still, what of that was counted before, and whether it was put down at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.clock import NS_PER_MS, ms
from edge.sensing.background import Difference, Mask, Planes
from edge.sensing.blobs import Blob
from edge.types import Image

# Grey levels by which a pixel at rest may differ from itself this long ago.
STILL = 10.0
STILL_EVERY_NS = ms(80)
# Share of a blob that must have been there, and still, for the whole time.
STILL_SHARE = 0.85
# Grey levels by which what lies there may differ from itself when it was counted.
AS_BEFORE = 24.0
# How much of a picture must be as it was for the place to be as it was, and how much the light may have changed meanwhile.
AS_BEFORE_SHARE, GAIN_MOST = 0.8, 0.25
# Root mean square slope (grey levels per small pixel) below which a picture shows nothing but noise.
SMOOTH = 1.5
# Boxes that are closer than this, small pixels, may be parts of one thing; a part without doubt is smaller than this
# share of the other.
JOIN, PART_SHARE = 3.0, 0.2

Slices = tuple[slice, slice]


class StillnessMap:
    """For each small pixel: for how many ms it has been still, and for how long it has not been the scene."""

    def __init__(self, small: Image, at: int) -> None:
        self._before = small
        self._still = np.zeros(small.shape[:2], np.float32)
        self._there = np.zeros(small.shape[:2], np.float32)
        self._at = at

    def watch(self, small: Image, extent: Mask, at: int) -> None:
        """Take the next picture in; `extent` is 255 where it is not the empty place."""
        if at - self._at < STILL_EVERY_NS:
            return
        elapsed = (at - self._at) / NS_PER_MS
        self._still += elapsed
        self._still[cv2.absdiff(small, self._before).max(axis=2) > STILL] = 0.0
        self._there += elapsed
        self._there[extent == 0] = 0.0
        self._before, self._at = small, at

    def changed(self, box: Slices) -> NDArray[np.bool_]:
        """Return which pixels of a box are not the scene."""
        return self._there[box] > 0

    def has_lasted(self, box: Slices, patience_ms: float) -> bool:
        """Whether nearly all that is not the scene in a box has been there and still, for so long."""
        rested = np.minimum(self._still[box], self._there[box])[self.changed(box)] >= patience_ms
        return bool(rested.size and rested.mean() >= STILL_SHARE)


class SettledObjects:
    """What was counted and lies there still: where it was never out of sight and looks as it did."""

    def __init__(self, small: Image) -> None:
        self._there = np.zeros(small.shape[:2], dtype=bool)
        self._picture = small.copy()

    def watch(self, extent: Mask) -> None:
        """Forget what has been seen to be gone."""
        self._there &= extent > 0

    def clear(self) -> None:
        """Forget everything: it was dropped."""
        self._there[:] = False

    def note(self, small: Image, extent: Mask, box: Slices) -> None:
        """Take notice of what lies in a box at rest."""
        self._there[box] = extent[box] > 0
        self._picture[box] = small[box]

    def without(self, small: Image, difference: Difference) -> Difference:
        """Return the part of the difference that was not there before."""
        where = difference.where
        off = cv2.absdiff(small[where], self._picture[where]).max(axis=2)
        known = self._there[where] & (off <= AS_BEFORE)
        extent, seeds = (np.where(known, 0, mask).astype(np.uint8) for mask in (difference.extent, difference.seeds))
        return Difference(extent, seeds, difference.size, difference.left, difference.top)


def slices(blob: Blob, margin: int = 0) -> Slices:
    """Return the rows and columns of a blob's box, and so many pixels around it."""
    rows = slice(max(0, int(blob.top) - margin), int(blob.bottom) + margin)
    return rows, slice(max(0, int(blob.left) - margin), int(blob.right) + margin)


def surround(blobs: Sequence[Blob]) -> Blob:
    """Return the box around several blobs as one blob."""
    return Blob(
        min(b.left for b in blobs),
        min(b.top for b in blobs),
        max(b.right for b in blobs),
        max(b.bottom for b in blobs),
        sum(b.area for b in blobs),
    )


def joined(blobs: list[Blob]) -> list[Blob]:
    """Return the blobs with those made one whose boxes (nearly) overlap, but for those that were cut apart at a waist.

    What is much smaller than the other and lies in its box is a part of it; else nobody can tell.
    """
    left = list(blobs)
    made: list[Blob] = []
    while left:
        one = left.pop()
        other = next((b for b in left if meet(one, b, JOIN) and not (one.split and b.split)), None)
        if other is None:
            made.append(one)
        else:
            small = min(one.area, other.area) <= PART_SHARE * max(one.area, other.area)
            doubt = not (small and meet(one, other))
            left[left.index(other)] = replace(surround([one, other]), touching=one.touching or other.touching or doubt)
    return made[::-1]


def meet(one: Blob, other: Blob, gap: float = 0.0) -> bool:
    """Whether two boxes overlap, or are less than `gap` small pixels apart."""
    along = one.left < other.right + gap and other.left < one.right + gap
    return along and one.top < other.bottom + gap and other.top < one.bottom + gap


def outline(picture: NDArray[np.generic], changed: NDArray[np.bool_], where: Slices, box: Slices) -> float:
    """Return how much the outline of what changed in `box` stands out in a picture, in the colour in which it does most: grey levels per pixel across it.

    `where` is a larger box around it, of which the picture is looked at.
    """
    part = picture[where]
    shape = np.zeros(part.shape[:2], np.uint8)
    top, left = box[0].start - where[0].start, box[1].start - where[1].start
    shape[top : top + changed.shape[0], left : left + changed.shape[1]] = changed
    filled = cv2.morphologyEx(shape, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    ring = cv2.morphologyEx(filled, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    x, y = (cv2.Sobel(part.astype(np.float32), cv2.CV_32F, dx, 1 - dx, scale=0.125) for dx in (1, 0))
    slope = np.hypot(x, y).max(axis=2)
    return float(slope[ring].mean()) if ring.any() else 0.0


def whole_extent(difference: Difference | None, small: Image) -> Mask:
    """Return the extent over the whole small picture."""
    extent: Mask = np.zeros(small.shape[:2], np.uint8)
    if difference is not None:
        extent[difference.where] = difference.extent
    return extent


def is_as_before(small: Image, before: Planes) -> bool:
    """Whether a picture shows what an earlier one showed, in a little more or less light."""
    gain = np.median(small.reshape(-1, 3) / np.maximum(before.reshape(-1, 3), 1.0), axis=0)
    if np.abs(gain - 1).max() > GAIN_MOST:
        return False
    off = np.abs(small - before * gain).max(axis=2)
    return bool((off <= AS_BEFORE).mean() >= AS_BEFORE_SHARE)


def likeness(one: NDArray[np.generic], other: NDArray[np.generic]) -> float | None:
    """Return the correlation of the slopes of two pictures: 1 for one scene in any light, 0 for two of them.

    None where neither has anything in it but noise.
    """
    found = []
    for picture in (one, other):
        grey = picture.astype(np.float32).mean(axis=2)
        found.append(np.concatenate([np.diff(grey, axis=0).ravel(), np.diff(grey, axis=1).ravel()]))
    sizes = [float(np.sqrt((slope**2).mean())) for slope in found]
    if max(sizes) < SMOOTH:
        return None
    return float((found[0] * found[1]).mean()) / max(1e-6, sizes[0] * sizes[1])
