"""Shadow or thing? What is darker than the empty place and of its colour may be either.

A shadow fades out over many pixels, as a lamp is no point and a thing has some height; the outline of a thing is two
or three pixels wide. That is seen in the camera's own picture, not in the small one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.sensing.background import Difference, Mask
from edge.sensing.view import View
from edge.types import Image

# Smaller dark places mean nothing; small pixels.
LEAST_AREA = 12
# How steep an outline is, per pixel of the picture, as a share of how dark the place is, and beyond what the surface
# itself has. In simulated pictures of 120 items each, shadows had 0.08 (95 % of them: up to 0.12 on wood, 0.21 on a
# grey plate), dark parts of things 0.2 (on a grey plate) and 0.23 (on wood).
STEEP = 0.14
# What lies still before a lens, away from the view's edges and from anything that could cast it, is a thing unless it
# is as soft as the shadow of something far away.
STEEP_AT_REST = 0.05
# Grey levels between the channels of the place itself. Where it has no colour (a camera without, a grey plate) to be of
# its colour says nothing: the hard shadows of bottles on a real table, seen in grey, were taken for things.
COLOURED = 15.0
BESIDE = 0.05  # so much of its own area beyond doubt beside it could cast it
MARGIN = 6
_NEAR, _FAR, _FARTHER = (np.ones((n, n), np.uint8) for n in (3, 7, 11))

Slices = tuple[slice, slice]


@dataclass(frozen=True, slots=True)
class ShadowView:
    """A picture, the small one made of it, the empty place as that would show it, and where they look.

    `steep_alone` is asked of the outline of a dark place with nothing beside it that could cast it.
    """

    pixels: Image
    small: Image
    mean: NDArray[np.float32]
    view: View
    steep_alone: float = STEEP


def with_dark_objects(difference: Difference, shadow_view: ShadowView) -> Difference:
    """Return the difference with those of its shades taken for things that have a hard outline."""
    shade = difference.shade
    if shade is None:
        return difference
    opened = cv2.morphologyEx(shade, cv2.MORPH_OPEN, _NEAR)
    if not cv2.countNonZero(opened):
        return difference
    _, labels, stats, _ = cv2.connectedComponentsWithStats(opened, connectivity=8, ltype=cv2.CV_16U)
    added: Mask = np.zeros_like(shade)
    for label, (left, top, width, height, area) in enumerate(stats[1:].tolist(), 1):
        box = slice(max(0, top - MARGIN), top + height + MARGIN), slice(max(0, left - MARGIN), left + width + MARGIN)
        part = (labels[box] == label).view(np.uint8)
        if area >= LEAST_AREA and _is_object(part, difference, box, shadow_view):
            added[box] |= part * np.uint8(255)
    if not cv2.countNonZero(added):
        return difference
    # What the opening took off the rim is dark too.
    rim = cv2.bitwise_and(cv2.dilate(added, _NEAR), shade)
    extent, seeds = np.maximum(difference.extent, rim).astype(np.uint8), np.maximum(difference.seeds, added)
    return replace(difference, extent=extent, seeds=seeds)


def _is_object(part: Mask, difference: Difference, box: Slices, shadow_view: ShadowView) -> bool:
    where, extent = _within(difference, box), difference.extent[box]
    surface = shadow_view.mean[where][part > 0].mean(axis=0)
    if surface.max() - surface.min() < COLOURED:
        return False
    off = shadow_view.mean[where].mean(axis=2) - shadow_view.small[where].mean(axis=2)
    darkness = float(off[part > 0].mean())
    along, across = difference.size
    inside = where[0].start > 0 and where[1].start > 0 and where[0].stop < across and where[1].stop < along
    beside = cv2.countNonZero(cv2.bitwise_and(cv2.dilate(part, _FAR), difference.seeds[box]))
    alone = inside and beside <= BESIDE * cv2.countNonZero(part)
    return (
        _steepness(part, extent, _slopes(shadow_view, where)) > (shadow_view.steep_alone if alone else STEEP) * darkness
    )


def _within(difference: Difference, box: Slices) -> Slices:
    """Return rows and columns of the small picture for those of the difference's part of it."""
    rows, columns = box
    height, width = difference.extent.shape
    top, left = difference.top, difference.left
    return (
        slice(rows.start + top, min(rows.stop, height) + top),
        slice(columns.start + left, min(columns.stop, width) + left),
    )


def _slopes(shadow_view: ShadowView, where: Slices) -> NDArray[np.float32]:
    """Return for each small pixel of a box the steepest slope in it, grey levels per pixel of the picture."""
    rows, columns = where
    box = shadow_view.view.to_picture(columns.start, rows.start, columns.stop, rows.stop)
    green = np.ascontiguousarray(shadow_view.pixels[box.y : box.y + box.height, box.x : box.x + box.width, 1])
    smooth = cv2.blur(green, (3, 3))
    x, y = (cv2.Sobel(smooth, cv2.CV_32F, dx, 1 - dx, scale=0.125) for dx in (1, 0))
    reach = max(1, round(shadow_view.view.scale))
    steepest = shadow_view.view.turned(cv2.dilate(cv2.magnitude(x, y), np.ones((reach, reach), np.uint8)))
    size = columns.stop - columns.start, rows.stop - rows.start
    return np.asarray(cv2.resize(steepest, size, interpolation=cv2.INTER_NEAREST), np.float32)


def _steepness(part: Mask, extent: Mask, slopes: NDArray[np.float32]) -> float:
    """Return how much steeper a dark place's own outline is than the surface around; 0 if it has none of its own."""
    around = cv2.dilate(extent, _NEAR)
    ring = (cv2.morphologyEx(part, cv2.MORPH_GRADIENT, _NEAR) > 0) & (around == 0)
    if np.count_nonzero(ring) < LEAST_AREA // 3:
        return 0.0
    there = cv2.bitwise_or(part, extent)
    outside = (cv2.dilate(part, _FARTHER) > 0) & (cv2.dilate(there, _FAR) == 0)
    surface = float(slopes[outside].mean()) if outside.any() else 0.0
    return float(slopes[ring].mean()) - surface
