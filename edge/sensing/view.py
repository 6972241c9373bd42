"""From the camera's picture to a small one in the belt's own axes, and back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2

from edge.config.belt import Direction
from edge.config.sorting import Region
from edge.errors import ConfigError
from edge.types import Box, Frame, Image

# Finding works on about this many pixels: enough for items of 4 x 4 of them, and 16 times cheaper than 640x480.
SMALL_WIDTH = 160
SMALL_HEIGHT = 120


@dataclass(frozen=True)
class View:
    """The part of the picture that is looked at, made `scale` times smaller and turned so that the belt runs right.

    In the small picture x is *along* the belt (0 where items enter) and y is *across* it, in small pixels.
    """

    region: Box
    direction: Direction = "right"

    @cached_property
    def scale(self) -> float:
        """Picture pixels per small pixel."""
        return float(max(1, round(max(self.region.width / SMALL_WIDTH, self.region.height / SMALL_HEIGHT))))

    @cached_property
    def _shrunk(self) -> tuple[int, int]:
        """Width and height of the small picture before it is turned."""
        return max(8, round(self.region.width / self.scale)), max(8, round(self.region.height / self.scale))

    @property
    def sideways(self) -> bool:
        """Whether the belt runs along the picture's rows."""
        return self.direction in ("right", "left")

    @property
    def size(self) -> tuple[int, int]:
        """Small pixels along and across the belt."""
        width, height = self._shrunk
        return (width, height) if self.sideways else (height, width)

    def shrink(self, frame: Frame) -> Image:
        """Return the small picture, (across, along, 3), of what the camera made smaller itself if it did.

        A linear resize by `scale` takes the mean of the middle 2 x 2 pixels: four times as many pixels cost hardly more
        (0.14 ms at 640 x 480, 0.19 ms at 1280 x 960, where INTER_AREA takes 0.38 and 1.0 ms), and the noise of one pixel
        does not matter here. INTER_LINEAR would take 0.10 ms, but rounds as the processor likes, and what is found here
        is where the network looks.
        """
        part = self._region_of(frame)
        size = part.shape[1], part.shape[0]
        small = part if size == self._shrunk else cv2.resize(part, self._shrunk, interpolation=cv2.INTER_LINEAR_EXACT)
        # Single pixels mean nothing: dither of a recorded clip, noise, the weave of a belt.
        turned: Image = self.turned(cv2.blur(small, (3, 3) if self.scale > 1 else (5, 5)))
        return turned

    def _region_of(self, frame: Frame) -> Image:
        r, source = self.region, frame.pixels
        if frame.small is None:
            return source[r.y : r.y + r.height, r.x : r.x + r.width]
        share = frame.small.shape[1] / source.shape[1]
        left, top, right, bottom = (round(v * share) for v in (r.x, r.y, r.x + r.width, r.y + r.height))
        return frame.small[top:bottom, left:right]

    def turned(self, part: Any) -> Any:
        """Return a part of the picture turned so that the belt runs right."""
        if not self.sideways:
            part = cv2.transpose(part)
        return cv2.flip(part, 1) if self.direction in ("left", "up") else part

    def to_picture(self, left: float, top: float, right: float, bottom: float) -> Box:
        """Return a rectangle of the small picture (x0, y0, x1, y1) in pixels of the whole frame."""
        along, _ = self.size
        if self.direction in ("left", "up"):
            left, right = along - right, along - left
        if not self.sideways:
            left, top, right, bottom = top, left, bottom, right
        width, height = self._shrunk
        per_x, per_y = self.region.width / width, self.region.height / height
        x0, y0 = max(0, round(left * per_x)), max(0, round(top * per_y))
        x1 = min(self.region.width, max(x0 + 1, round(right * per_x)))
        y1 = min(self.region.height, max(y0 + 1, round(bottom * per_y)))
        return Box(self.region.x + x0, self.region.y + y0, x1 - x0, y1 - y0)

    @property
    def along_scale(self) -> float:
        """Picture pixels along the belt per small pixel."""
        width, height = self._shrunk
        return self.region.width / width if self.sideways else self.region.height / height


def build_view(region: Region, frame_size: tuple[int, int], direction: Direction = "right") -> View:
    """Return the view of a region in frames of that width and height; `direction` is the belt's.

    Raises:
        ConfigError: the region lies outside the picture.
    """
    width, height = frame_size
    box = Box(region.x, region.y, region.width or width - region.x, region.height or height - region.y)
    if box.width < 32 or box.height < 32 or box.x + box.width > width or box.y + box.height > height:
        raise ConfigError(
            f"[region] {box.width} x {box.height} at ({box.x}, {box.y}) does not fit into frames of {width} x {height}; "
            "make it smaller, or remove the table to look at the whole picture"
        )
    return View(box, direction)
