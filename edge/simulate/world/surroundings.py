"""What is around a simulated station and may be wrong with it: lamps, how the camera hangs, rails, a sheet of paper."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi, radians, sin
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.clock import NS_PER_S
from edge.simulate.render.exact import multiply, settled
from edge.simulate.render.warp import turn_about, warped
from edge.types import Image

_FOCAL: Final = 1.2  # focal length over the picture's width: a lens of 45 degrees
_AUTOMATIC_MOST: Final = 8.0  # by so much an automatic exposure can brighten
_RAIL: Final = (168, 170, 174)


@dataclass
class Surroundings:
    """What a technician finds; all of it may change while the station runs.

    Attributes:
        lamp: brightness of the lamps, 1 is right.
        flicker: depth of the lamps' flicker at twice the mains' frequency `mains_hz`, 0 to 1.
        uneven: share of the light that is missing on the picture's right side.
        roll_degrees: how the camera is turned about its own axis.
        pitch_degrees: how it leans.
        tint: red and blue of the lamps' light, where its green is 1.
        gamma: tone curve of the camera beside that of the photos; above 1 it darkens, dark tones most.
        defocus_px: how far the lens spreads a point, standard deviation.
        coasting_s: for so long the belt runs on once its relay is off.
        rails_px: width of the machine's rails on both sides of the belt, in the picture.
        paper: the printed sheet, if it lies on the belt or on the plate.
    """

    lamp: float = 1.0
    flicker: float = 0.0
    mains_hz: float = 50.0
    uneven: float = 0.0
    roll_degrees: float = 0.0
    pitch_degrees: float = 0.0
    tint: tuple[float, float] = (1.0, 1.0)
    gamma: float = 1.0
    defocus_px: float = 0.0
    coasting_s: float = 0.0
    rails_px: int = 0
    paper: Paper | None = None

    def lamp_at(self, at: int, exposure_s: float) -> float:
        """Return the mean light over an exposure about an instant: a cosine seen through a window."""
        if not self.flicker:
            return self.lamp
        hertz = 2 * self.mains_hz
        seen = settled(np.sinc(hertz * exposure_s))
        return self.lamp * (1 + self.flicker * seen * settled(cos(2 * pi * hertz * at / NS_PER_S)))

    def look(self, picture: Image) -> Image:
        """Return a picture as the camera sees it from where it hangs, in this light."""
        if self.roll_degrees or self.pitch_degrees:
            height, width = picture.shape[:2]
            view = _mounting(width, height, self.roll_degrees, self.pitch_degrees)
            picture = warped(picture, view, (width, height), cv2.BORDER_REPLICATE)
        if self.uneven:
            light = np.linspace(255, 255 * (1 - self.uneven), picture.shape[1]).round().astype(np.uint8)
            whole = np.ascontiguousarray(np.broadcast_to(light[None, :, None], picture.shape))
            multiply(picture, whole, 1 / 255)
        if self.defocus_px:
            picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), self.defocus_px), np.uint8)
        return picture

    def colour(self, picture: Image, gains: tuple[float, float] | None) -> None:
        """Give a picture the colour of the lamps, seen through a camera's colour gains, and its tones; in place."""
        if gains is not None and (factors := [t * g for t, g in zip(self.tint, gains, strict=True)]) != [1.0, 1.0]:
            cv2.multiply(picture, np.array([factors[0], 1.0, factors[1], 1.0]), dst=picture)
        if self.gamma != 1.0:
            curve = np.array([round(255 * settled((tone / 255) ** self.gamma)) for tone in range(256)], np.uint8)
            cv2.LUT(picture, curve, dst=picture)

    def add_rails(self, picture: Image, sideways: bool) -> None:
        """Paint the rails over the picture's edges that run along the belt."""
        if self.rails_px and sideways:
            picture[: self.rails_px] = _RAIL
            picture[-self.rails_px :] = _RAIL
        elif self.rails_px:
            picture[:, : self.rails_px] = _RAIL
            picture[:, -self.rails_px :] = _RAIL


@dataclass(frozen=True)
class Paper:
    """The printed sheet: its middle is at `middle_mm` of the belt's picture when the belt has moved `laid_at_mm`.

    `rides` is the direction in which the belt takes it along, in picture axes; (0, 0) where it stays.
    """

    middle_mm: tuple[float, float]
    laid_at_mm: float = 0.0
    rides: tuple[int, int] = (0, 0)
    turn_degrees: float = 0.0

    def draw(self, picture: Image, moved_mm: float, mm_per_pixel: float, blur_px: float) -> None:
        """Paint it into a picture, (height, width, 3), in place."""
        from edge.sensing.marker_sheet import PAGE_MM

        dots_per_mm = 2 / mm_per_pixel
        page = _page(dots_per_mm, blur_px)
        gone = moved_mm - self.laid_at_mm
        x, y = ((m + gone * r) / mm_per_pixel for m, r in zip(self.middle_mm, self.rides, strict=True))
        reach = (PAGE_MM[0] + PAGE_MM[1]) / 2 / mm_per_pixel
        height, width = picture.shape[:2]
        if not (-reach < x < width + reach and -reach < y < height + reach):
            return
        # Pixel centres lie at whole numbers: the page's middle is half a dot before half its size.
        middle = ((page.shape[1] - 1) / 2, (page.shape[0] - 1) / 2)
        place = turn_about(middle, self.turn_degrees, 0.5)
        place[:, 2] += (x - 0.5 - middle[0], y - 0.5 - middle[1])
        grey = warped(page, place, (width, height))
        there = warped(np.full_like(page, 255), place, (width, height))
        mask = there[..., None].astype(np.uint16)
        picture[:] = ((picture * (255 - mask) + grey[..., None] * mask) // 255).astype(np.uint8)


_PAGES: dict[tuple[float, float], NDArray[np.uint8]] = {}


def _page(dots_per_mm: float, blur_px: float) -> NDArray[np.uint8]:
    """The sheet at two dots a pixel, paper at 215 and ink at 25, as soft as a lens makes it."""
    from edge.sensing.marker_sheet import draw_sheet

    key = (round(dots_per_mm, 6), round(blur_px))
    if key not in _PAGES:
        if len(_PAGES) >= 4:
            _PAGES.clear()
        page = cv2.GaussianBlur(draw_sheet(dots_per_mm), (0, 0), 1.0)
        if blur_px >= 1:
            page = cv2.blur(page, (max(1, round(2 * blur_px)), 1))
        _PAGES[key] = np.asarray(25 + page.astype(np.float32) / 255 * 190, np.uint8)
    return _PAGES[key]


def _mounting(width: int, height: int, roll: float, pitch: float) -> NDArray[np.float64]:
    """Return the homography between the pictures of a camera that hangs straight and of one that does not."""
    focal = _FOCAL * width
    lens = np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])
    r, p = radians(roll), radians(pitch)
    turned = np.array([[cos(r), -sin(r), 0], [sin(r), cos(r), 0], [0, 0, 1]])
    leaning = np.array([[1, 0, 0], [0, cos(p), -sin(p)], [0, sin(p), cos(p)]])
    # It leans about the point that it looks at, so that its distance from there stays.
    plane = leaning.copy()
    plane[:, 2] = (0, 0, 1)
    return np.asarray(lens @ plane @ turned @ np.linalg.inv(lens), np.float64)


@dataclass
class Shutter:
    """How a simulated camera is set; None is automatic.

    Attributes:
        usual_s: exposure of the automatic, at which the picture is as bright as it was painted.
    """

    usual_s: float
    exposure_s: float | None = None
    gain: float | None = None

    @property
    def open_s(self) -> float:
        return self.usual_s if self.exposure_s is None else self.exposure_s

    def brightness(self, lamp: float) -> float:
        """Return the factor by which a picture gets brighter than the lamps alone make it."""
        if self.exposure_s is None and self.gain is None:
            return min(_AUTOMATIC_MOST, 1 / max(lamp, 1e-3))
        return self.open_s / self.usual_s * (1.0 if self.gain is None else self.gain)
