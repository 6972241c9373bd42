"""Crops: an item's box in a picture, and what is cut out around it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge.errors import DatasetError
from edge.types import Box
from training.dataset.exchange.entries import Region

LEAST_INSIDE = 0.5
"""Share of a box's area that has to lie in the picture."""
_QUARTER_TURNS = frozenset({6, 8})


class UnusableRegionError(DatasetError):
    """A region that nothing can be cut out by; the message is the reason."""


@dataclass(frozen=True)
class Crop:
    """What is cut out, and the item's box in it, each in pixels; both None where it is the whole picture."""

    cut: Box | None = None
    item: Box | None = None


def crop_of(region: Region, size: tuple[int, int], margin: float, smallest: int, orientation: int = 1) -> Crop:
    """What to cut out of an upright picture of this width and height.

    `margin` is a fraction of the box's longer side, on each side as far as the picture goes; `smallest` is in pixels;
    `orientation` is the picture's EXIF entry, for boxes that were drawn before it was heeded.

    Raises:
        UnusableRegionError: it has no area, lies outside, is too small, or was drawn on another picture.
    """
    left, top, right, bottom = _in_pixels(region, size, orientation)
    if not (right > left and bottom > top):
        raise UnusableRegionError("boxes without an area")
    inside = (max(left, 0.0), max(top, 0.0), min(right, size[0]), min(bottom, size[1]))
    kept = max(inside[2] - inside[0], 0) * max(inside[3] - inside[1], 0)
    if kept < LEAST_INSIDE * (right - left) * (bottom - top):
        raise UnusableRegionError("boxes that lie outside of their picture")
    x, y, right_end, bottom_end = map(round, inside)
    item = Box(x, y, right_end - x, bottom_end - y)
    if min(item.width, item.height) < smallest:
        raise UnusableRegionError(f"boxes smaller than {smallest} pixels")
    return _with_margin(item, size, margin)


def _with_margin(item: Box, size: tuple[int, int], margin: float) -> Crop:
    border = round(margin * max(item.width, item.height))
    x, y = max(item.x - border, 0), max(item.y - border, 0)
    right = min(item.x + item.width + border, size[0])
    bottom = min(item.y + item.height + border, size[1])
    cut = Box(x, y, right - x, bottom - y)
    inner = Box(item.x - x, item.y - y, item.width, item.height)
    return Crop(
        None if (cut.width, cut.height) == size else cut,
        None if (inner.width, inner.height) == (cut.width, cut.height) else inner,
    )


def _in_pixels(region: Region, size: tuple[int, int], orientation: int) -> tuple[float, float, float, float]:
    width, height = size
    if not region.is_finite:
        raise UnusableRegionError("boxes whose numbers are no numbers")
    if region.relative:
        return region.left * width, region.top * height, region.right * width, region.bottom * height
    drawn_on = region.size or size
    if drawn_on == size:
        return region.left, region.top, region.right, region.bottom
    if drawn_on == (height, width) and orientation in _QUARTER_TURNS:
        if orientation == 6:  # its left side is up
            return width - region.bottom, region.left, width - region.top, region.right
        return region.top, height - region.right, region.bottom, height - region.left
    raise UnusableRegionError("boxes that were drawn on a picture of another size")


def orientation_of(path: Path) -> int:
    """The EXIF orientation of a photo that can be read."""
    from PIL import Image as Pillow

    with Pillow.open(path) as picture:
        value = picture.getexif().get(0x0112, 1)
    return value if isinstance(value, int) else 1
