"""A cut-out of a photo made ready to be laid on the belt: turned, scaled, with its shadow and blur."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.simulate.render.exact import Exact, blurred, multiply, on_grain, resized, slid, smeared
from edge.simulate.render.warp import turn_about, warped
from edge.types import Box, Image

Mask = NDArray[np.uint8]

PHASES: Final = 4
"""Sprites are kept at this many sub-pixel shifts along the belt: an item is drawn to 1/8 pixel."""
_SHADOW_SHIFT: Final = (3, 5)  # pixels along and across: the lamp stands upstream, behind the belt
_SHADOW_BLUR: Final = 4.0
_SHADOW_DEPTH: Final = 0.42
_PAD: Final = 20


@dataclass(frozen=True)
class CutOut:
    """An object out of a photo: RGB (height, width, 3) and its opacity (height, width), tightly cropped."""

    label: str
    name: str
    pixels: Image
    alpha: Mask


@dataclass(frozen=True)
class Pose:
    """How an object lies: its longer side in pixels, its angle, and how brightly it is lit."""

    size_px: float
    angle_deg: float
    light: float = 1.0


@dataclass(frozen=True)
class Smear:
    """What a moving belt does to a picture: blur along it, and skew between first and last row.

    `skew` is the shift in pixels for each row, which a rolling shutter causes.
    """

    blur_px: float = 0.0
    skew: float = 0.0


class Sprite:
    """Colours already multiplied by opacity, and what is left of the background: `x * rest / 255 + ink`.

    Attributes:
        length, width: extent of the object itself (no shadow, no blur) along and across, pixels.
    """

    def __init__(self, cut_out: CutOut, pose: Pose) -> None:
        colours, alpha = _posed(cut_out, pose)
        extent = Box(*cv2.boundingRect((alpha > 127).astype(np.uint8)))
        self.length = max(1, extent.width)
        self.width = max(1, extent.height)
        # Cut to the object's own extent, then room for shadow and blur on every side.
        window = (slice(extent.y, extent.y + self.width), slice(extent.x, extent.x + self.length))
        self._colours = cv2.copyMakeBorder(colours[window], _PAD, _PAD, _PAD, _PAD, cv2.BORDER_CONSTANT)
        self._alpha = cv2.copyMakeBorder(alpha[window], _PAD, _PAD, _PAD, _PAD, cv2.BORDER_CONSTANT)
        self._drawn: dict[tuple[Smear, int], tuple[Image, Image]] = {}

    def draw(self, frame: Image, left: float, top: int, smear: Smear) -> None:
        """Blend the object into the frame; its extent's left edge comes to `left`, its top edge to `top`."""
        whole = int(np.floor(left * PHASES + 0.5))
        ink, rest = self._layers(smear, whole % PHASES)
        x0, y0 = whole // PHASES - _PAD, top - _PAD
        height, width = frame.shape[:2]
        x1, y1 = max(0, x0), max(0, y0)
        x2, y2 = min(width, x0 + ink.shape[1]), min(height, y0 + ink.shape[0])
        if x1 >= x2 or y1 >= y2:
            return
        part = (slice(y1 - y0, y2 - y0), slice(x1 - x0, x2 - x0))
        target = frame[y1:y2, x1:x2]
        multiply(target, rest[part], 1 / 255)
        cv2.add(target, ink[part], dst=target)

    def _layers(self, smear: Smear, phase: int) -> tuple[Image, Image]:
        key = (smear, phase)
        if key not in self._drawn:
            if len(self._drawn) >= 2 * PHASES:  # a belt that changes its speed must not fill the memory
                self._drawn.clear()
            self._drawn[key] = self._make_layers(smear, phase / PHASES)
        return self._drawn[key]

    def _make_layers(self, smear: Smear, shift: float) -> tuple[Image, Image]:
        opacity = self._alpha.astype(np.float64)
        shadow = np.zeros_like(opacity)
        along, across = _SHADOW_SHIFT
        shadow[across:, along:] = blurred(opacity, _SHADOW_BLUR, _SHADOW_BLUR)[:-across, :-along]
        ink = self._colours * opacity[:, :, None]
        rest = on_grain((255 - opacity) * (1 - _SHADOW_DEPTH * shadow / 255))
        middle = len(opacity) / 2
        by = [shift + smear.skew * (row - middle) for row in range(len(opacity))]
        seen_ink = smeared(slid(ink, by, 0), smear.blur_px) / 255
        seen_rest = smeared(slid(rest[:, :, None], by, 255), smear.blur_px)
        return _bytes(seen_ink), np.ascontiguousarray(np.repeat(_bytes(seen_rest), 3, axis=2))


def _bytes(layer: Exact) -> Image:
    """Whole grey levels; what is laid over each other here stays between 0 and 255."""
    return np.rint(layer).astype(np.uint8)


def _posed(cut_out: CutOut, pose: Pose) -> tuple[NDArray[np.uint8], Mask]:
    """Turn and scale in one go, then make the longer side what the pose says."""
    height, width = cut_out.alpha.shape
    scale = pose.size_px / max(height, width)
    small = (max(2, round(width * scale)), max(2, round(height * scale)))
    colours, alpha = resized(cut_out.pixels, small), resized(cut_out.alpha, small)
    side = isqrt(small[0] ** 2 + small[1] ** 2 - 1) + 5
    turn = turn_about((small[0] / 2, small[1] / 2), pose.angle_deg)
    turn[:, 2] += (side / 2 - small[0] / 2, side / 2 - small[1] / 2)
    colours = warped(colours, turn, (side, side), cv2.BORDER_REPLICATE)
    alpha = warped(alpha, turn, (side, side))
    lit = np.clip(colours.astype(np.float32) * pose.light, 0, 255).astype(np.uint8)
    return lit, alpha
