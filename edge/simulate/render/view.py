"""Between the belt's own axes (along, across) and the camera's picture."""

from __future__ import annotations

from dataclasses import dataclass

import cv2

from edge.config import Station
from edge.config.sorting import Region
from edge.errors import ConfigError
from edge.types import Image


@dataclass(frozen=True)
class View:
    """The camera's window over the belt; items enter it at 0 and leave it at `along_mm`.

    Attributes:
        along_px, across_px: size of the window in the belt's own axes.
        line_mm: the decision line.
    """

    along_px: int
    across_px: int
    mm_per_pixel: float
    direction: str
    line_mm: float
    lanes: int

    @property
    def along_mm(self) -> float:
        return self.along_px * self.mm_per_pixel

    @property
    def across_mm(self) -> float:
        return self.across_px * self.mm_per_pixel

    def to_picture(self, window: Image) -> Image:
        """Turn a window (across, along, 3) into the picture that the camera gives."""
        turns = {"down": cv2.ROTATE_90_CLOCKWISE, "left": cv2.ROTATE_180, "up": cv2.ROTATE_90_COUNTERCLOCKWISE}
        return window if self.direction == "right" else cv2.rotate(window, turns[self.direction])  # type: ignore[return-value]

    def from_picture(self, point: tuple[float, float]) -> tuple[float, float]:
        """Return where a point (x, y) of the picture is in the window: pixels along and across."""
        x, y = point
        if self.direction == "left":
            return self.along_px - x, self.across_px - y
        if self.direction == "down":
            return y, self.across_px - x
        if self.direction == "up":
            return self.along_px - y, x
        return x, y

    def lane_at(self, across_px: float) -> int:
        """Return the product's number of the lane: 0 is nearest the top (or the left) of the picture."""
        lane = min(self.lanes - 1, max(0, int(across_px / self.across_px * self.lanes)))
        return self.lanes - 1 - lane if self.direction in ("left", "down") else lane


def belt_view(station: Station) -> View:
    """Return the view of a conveyor's camera."""
    belt = station.belt
    if belt is None:
        raise ConfigError(f"station {station.name!r} has no [belt]; expected a conveyor")
    sideways = belt.direction in ("right", "left")
    width, height = station.camera.width, station.camera.height
    along, across = (width, height) if sideways else (height, width)
    begin, looked_at = _region_along(station.region, along, belt.direction)
    line_mm = (begin + belt.decision_line * looked_at) * belt.mm_per_pixel
    return View(along, across, belt.mm_per_pixel, belt.direction, line_mm, belt.lanes)


def _region_along(region: Region, along: int, direction: str) -> tuple[int, int]:
    """Begin and extent of the region along the belt, pixels from where items enter the picture."""
    start, extent = (region.x, region.width) if direction in ("right", "left") else (region.y, region.height)
    extent = along - start if extent is None else extent
    return (along - start - extent if direction in ("left", "up") else start), extent
