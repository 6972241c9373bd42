"""From what is not belt to things: connected parts, put together or taken apart."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

import cv2
import numpy as np

from edge.sensing.background import Difference, Mask
from edge.types import Image

# A blob of which fewer than this share is beyond doubt is a trace of light.
SEED_SHARE = 0.08
MIN_SEEDS = 3
# Two lumps are two items where the waist between them is narrower than SPLIT of the smaller lump, and one item
# without doubt above WHOLE; in between nobody can tell.
SPLIT, WHOLE = 0.4, 0.7
# A lump smaller than this share of the largest is a part (a bottle's cap), not an item.
LUMP_SHARE = 0.45
# Small pixels by which the smoothing of the small picture widens a thing on each side, in the mean over pale and dark
# photos on a dark belt. Rather too little: an item that is longer than it was taken for is hit by its neighbour's flap.
GROWN = 0.35
# Below this share of its convex hull a blob may be two things side by side.
SOLID = 0.86


class Rectangle(Protocol):
    """Anything with sides in the small picture: a blob, or a thing that is followed."""

    @property
    def left(self) -> float: ...
    @property
    def top(self) -> float: ...
    @property
    def right(self) -> float: ...
    @property
    def bottom(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Blob:
    """One thing in the small picture: [left, right) along the belt, [top, bottom) across it.

    `touching`: it may be two or more items. `split`: it was cut from a neighbour at a waist.
    """

    left: float
    top: float
    right: float
    bottom: float
    area: float
    touching: bool = False
    split: bool = False

    @property
    def length(self) -> float:
        return self.right - self.left

    @property
    def centre(self) -> float:
        return (self.left + self.right) / 2


def find_blobs(
    difference: Difference, min_area: float, gap: float, *, apart: bool = True, longest: float = math.inf
) -> list[Blob]:
    """Return the things of at least `min_area` small pixels; parts closer than `gap` small pixels are one.

    With `apart`, things that touch are taken apart where their shape allows it. What is still longer than `longest`
    small pixels, however it lies, is no one thing.
    """
    dx, dy = difference.left, difference.top
    blobs: list[Blob] = []
    for left, top, part in _gather(cv2.medianBlur(difference.extent, 3), max(0, round(gap / 2))):
        height, width = part.shape
        area = cv2.countNonZero(part)
        if area < min_area:
            continue
        here = slice(top, top + height), slice(left, left + width)
        if cv2.countNonZero(cv2.bitwise_and(difference.seeds[here], part)) < max(MIN_SEEDS, SEED_SHARE * area):
            continue
        blob = Blob(left + dx, top + dy, left + width + dx, top + height + dy, area)
        whole = blob.left > 0 and blob.right < difference.size[0]  # half a thing has waists that the whole has not
        found = take_apart(blob, part, min_area) if apart and whole else [blob]
        if len(found) == 1 and max(width, height) > longest:
            found = [replace(found[0], touching=found[0].touching or longer_side(part) > longest)]
        blobs += found
    return [_draw_in(blob, difference.size) for blob in blobs]


def _gather(extent: Any, reach: int) -> Iterator[tuple[int, int, Mask]]:
    """Yield left, top and mask (0 or 1) of all that hangs together when grown by `reach` on each side."""
    near = extent
    if reach:
        # The frame around it keeps the closing from growing things into the picture's edge.
        padded = cv2.copyMakeBorder(extent, reach, reach, reach, reach, cv2.BORDER_CONSTANT, value=0)
        kernel = cv2.getStructuringElement(cv2.MORPH_RECT, (2 * reach + 1, 2 * reach + 1))
        # What is near is one thing, whether a closing bridges it (side by side) or not (corner to corner).
        near = cv2.dilate(padded, kernel)
        extent = cv2.erode(near, kernel)[reach:-reach, reach:-reach]
        near = np.ascontiguousarray(near[reach:-reach, reach:-reach])
    # 47 us on 154 x 113 pixels, against 131 for labels of 32 bits.
    _, labels, stats, _ = cv2.connectedComponentsWithStats(near, connectivity=8, ltype=cv2.CV_16U)
    for label, (column, row, columns, rows, _) in enumerate(stats[1:].tolist(), 1):
        around = slice(row, row + rows), slice(column, column + columns)
        component = cv2.bitwise_and((labels[around] == label).view(np.uint8), extent[around])
        x, y, width, height = cv2.boundingRect(component)
        yield column + x, row + y, np.ascontiguousarray(component[y : y + height, x : x + width], np.uint8)


def _draw_in(blob: Blob, size: tuple[int, int]) -> Blob:
    """Undo what smoothing added to each side, but where the view cuts the thing off."""
    along, across = size
    return Blob(
        blob.left + GROWN if blob.left > 0 else 0.0,
        blob.top + GROWN if blob.top > 0 else 0.0,
        blob.right - GROWN if blob.right < along else float(along),
        blob.bottom - GROWN if blob.bottom < across else float(across),
        blob.area,
        blob.touching,
        blob.split,
    )


def longer_side(part: Mask) -> float:
    """Return the longer side of the smallest rectangle, at any angle, around what is set in a mask."""
    points = cv2.findNonZero(part)
    return 0.0 if points is None else float(max(cv2.minAreaRect(points)[1])) + 1.0


def cover(small: Image, objects: Iterable[Rectangle], margin: int) -> Mask:
    """Return a mask of a small picture that is 255 over things and so many pixels around them."""
    covered: Mask = np.zeros(small.shape[:2], np.uint8)
    for component in objects:
        corner = int(component.left) - margin, int(component.top) - margin
        far = int(component.right) + margin, int(component.bottom) + margin
        cv2.rectangle(covered, corner, far, 255, cv2.FILLED)
    return covered


def take_apart(blob: Blob, part: Mask, min_area: float) -> list[Blob]:
    """Return the items of one blob: split at a clear waist, `touching` at an unclear one, else the blob itself."""
    if blob.area < 4 * min_area or min(part.shape) < 5:
        return [blob]
    outlines, _ = cv2.findContours(part, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    outline = outlines[0] if len(outlines) == 1 else max(outlines, key=cv2.contourArea)
    hull = cv2.contourArea(cv2.convexHull(outline))
    if hull <= 0 or cv2.contourArea(outline) / hull > SOLID:
        return [blob]
    filled = np.zeros_like(part)
    cv2.drawContours(filled, [outline], -1, 1, cv2.FILLED)
    depth = cv2.distanceTransform(cv2.copyMakeBorder(filled, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0), cv2.DIST_L2, 3)
    neck, segments = _find_neck(depth[1:-1, 1:-1])
    if neck <= SPLIT:
        return _share_out(blob, filled, segments)
    return [replace(blob, touching=neck <= WHOLE)]


def _find_neck(depth: Any) -> tuple[float, list[Mask]]:
    """Return how wide the waist between two lumps is, as a share of the smaller lump's width, and the lumps.

    As water rises over the map of depths (distances to the outline), the level at which the land falls apart into
    lumps is half the width of the waist between them. 1 and no lumps if it never does.
    """
    deepest = float(depth.max())
    for level in np.arange(1.0, 0.9 * deepest, max(0.5, deepest / 24)):
        count, labels = cv2.connectedComponents((depth > level).astype(np.uint8), connectivity=8)
        if count <= 2:
            continue
        islands = [(labels == n).astype(np.uint8) for n in range(1, count)]
        peaks = [float((depth * island).max()) for island in islands]
        tall = [n for n, peak in enumerate(peaks) if peak >= LUMP_SHARE * deepest]
        if len(tall) > 1:
            return float(level) / min(peaks[n] for n in tall), [islands[n] for n in tall]
    return 1.0, []


def _share_out(blob: Blob, filled: Mask, segments: list[Mask]) -> list[Blob]:
    """Give every pixel of the blob to the nearest lump."""
    distances = [cv2.distanceTransform(1 - segment, cv2.DIST_L2, 3) for segment in segments]
    owner = np.argmin(np.stack(distances), axis=0)
    blobs = []
    for number in range(len(segments)):
        mine = ((owner == number) & (filled > 0)).astype(np.uint8)
        x, y, width, height = cv2.boundingRect(mine)
        area = cv2.countNonZero(mine)
        blobs.append(Blob(blob.left + x, blob.top + y, blob.left + x + width, blob.top + y + height, area, split=True))
    return blobs
