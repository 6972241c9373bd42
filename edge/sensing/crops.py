"""The best views of an item: sharp, whole and near the middle of the picture."""

from __future__ import annotations

from dataclasses import replace

import cv2

from edge.bundle.geometry import LARGEST_MARGIN
from edge.types import Box, Crop, Frame, Image

# The network's square is made up to a multiple of the power of two that it is halved by, in any picture this at most.
ROUNDING = 16


def take_crop(frame: Frame, box: Box, region: Box) -> Crop:
    """Return the view of an item in its whole frame, rated by its sharpness and its place in the region."""
    return Crop(frame.pixels, box, frame.captured_at, sharpness(frame.pixels, box), centring(box, region))


def cut_crop(crop: Crop) -> Crop:
    """Return the same view with a copy of what any model is shown of it, so that the frame can be given back."""
    box, (height, width) = crop.box, crop.pixels.shape[:2]
    larger = max(box.width, box.height)
    side = larger + 2 * (round(larger * LARGEST_MARGIN) + ROUNDING)
    left = max(0, (2 * box.x + box.width - side) // 2)
    top = max(0, (2 * box.y + box.height - side) // 2)
    right = min(width, (2 * box.x + box.width + side + 1) // 2)
    bottom = min(height, (2 * box.y + box.height + side + 1) // 2)
    inside = replace(box, x=box.x - left, y=box.y - top)
    corner = crop.corner[0] + left, crop.corner[1] + top
    return replace(crop, pixels=crop.pixels[top:bottom, left:right].copy(), box=inside, corner=corner)


def sharpness(pixels: Image, box: Box) -> float:
    """Return the variance of the Laplacian of the green channel over the box, grey levels squared."""
    part = pixels[box.y : box.y + box.height, box.x : box.x + box.width]
    edges = cv2.Laplacian(cv2.extractChannel(part, 1), cv2.CV_16S)
    _, deviation = cv2.meanStdDev(edges)
    return float(deviation[0, 0]) ** 2


def centring(box: Box, region: Box) -> float:
    """Return 1 for a box in the middle of the region and 0 for one that touches the region's edge."""
    x, y = box.centre
    half_x, half_y = max(1.0, (region.width - box.width) / 2), max(1.0, (region.height - box.height) / 2)
    off_x = abs(x - region.x - region.width / 2) / half_x
    off_y = abs(y - region.y - region.height / 2) / half_y
    return max(0.0, 1.0 - max(off_x, off_y))


def rate(crop: Crop) -> float:
    """Return how good a view is against other views of the same item.

    A view twice as sharp makes up for one that lies half-way to the edge.
    """
    return crop.sharpness * (0.5 + crop.centring) ** 2


def keep_best(kept: list[Crop], new: Crop, most: int) -> list[Crop]:
    """Return the best views with a new one, best first; it is cut out of its frame if it is one of them."""
    if len(kept) >= most and rate(new) <= rate(kept[-1]):
        return kept
    return sorted([*kept, cut_crop(new)], key=rate, reverse=True)[:most]
