"""What the empty belt looks like, and which pixels are not it.

Each small pixel has a mean colour and a mean deviation from it, learnt only where nothing lies. Brightness
and colour are judged apart: a shadow darkens all three channels by one factor, so what is darker but keeps its
chroma is no item (the colour model of Horprasert, Harwood and Davis, 1999). The whole picture's change of exposure
and white balance is measured each frame as the median ratio to the model and taken out.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.types import Image

Mask = NDArray[np.uint8]
Planes = NDArray[np.float32]

# In grey levels of 255. Sensor noise after shrinking is 1 to 2, a belt's join 5 to 12, an item's edge 30 and more.
LUMA_LOW, LUMA_HIGH = 14.0, 26.0
CHROMA_LOW, CHROMA_HIGH = 9.0, 16.0
# How many mean deviations of the belt's own texture count as different.
LUMA_DEVIATIONS, CHROMA_DEVIATIONS = 4.0, 4.0
# A shadow leaves at least this share of the light.
SHADOW = 0.45
# Seconds over which the model follows slow changes; a fresh model averages all it has seen until then.
MEMORY_S = 4.0
GRID = 6
SETTLED_GAIN = 0.004


@dataclass(frozen=True, slots=True)
class Difference:
    """What is not belt, in small pixels: `extent` is 255 over whole items, `seeds` where that is beyond doubt."""

    extent: Mask
    seeds: Mask


class Background:
    """A model of the empty belt for small pictures of one size."""

    def __init__(self, first: Image, sensitivity: float = 1.0, *, along_belt: bool = True) -> None:
        self._sensitivity = sensitivity
        picture = first.astype(np.float32)
        self._mean = _without_items(picture) if along_belt else picture.copy()
        row_spread = np.median(np.abs(picture - self._mean), axis=1, keepdims=True)
        spread = np.broadcast_to(np.minimum(row_spread, 6.0), picture.shape)
        self._luma_spread: Planes = np.ascontiguousarray(spread.mean(axis=2))
        self._chroma_spread: Planes = np.ascontiguousarray(spread.mean(axis=2) * 0.5)
        self._free: NDArray[np.bool_] = np.ones(picture.shape[:2], dtype=bool)
        self._seen_s = 0.0
        self._low = self._high = np.empty(0, np.uint8)
        self._refresh()

    @property
    def mean(self) -> Planes:
        """The empty belt, (across, along, 3)."""
        return self._mean

    def compare(self, small: Image) -> Difference | None:
        """Return what is not belt, or None for an empty picture; follows the exposure."""
        self._follow_exposure(small)
        same = cv2.inRange(small, self._low, self._high)
        if cv2.countNonZero(same) == same.size:
            return None
        return self._judge(small)

    def learn(self, small: Image, elapsed_s: float, covered: Mask | None) -> None:
        """Take the picture into the model, but for the pixels that are `covered` (non-zero)."""
        self._seen_s += elapsed_s
        rate = min(0.5, elapsed_s / min(MEMORY_S, max(self._seen_s, 4 * elapsed_s)))
        free = None if covered is None else cv2.bitwise_not(covered)
        self._free = np.ones(small.shape[:2], dtype=bool) if covered is None else covered == 0
        luma_off, chroma_off, _ = self._offsets(small)
        # A passing join must not teach the model that everything is belt.
        cv2.accumulateWeighted(np.minimum(np.abs(luma_off), 12.0), self._luma_spread, rate, free)
        cv2.accumulateWeighted(np.minimum(chroma_off, 8.0), self._chroma_spread, rate, free)
        cv2.accumulateWeighted(small, self._mean, rate, free)
        self._refresh()

    def absorb(self, small: Image, left: int, top: int, right: int, bottom: int) -> None:
        """Take a rectangle of the picture for belt at once: something there never moves."""
        self._mean[top:bottom, left:right] = small[top:bottom, left:right]
        self._refresh()

    def _follow_exposure(self, small: Image) -> None:
        there = small[GRID // 2 :: GRID, GRID // 2 :: GRID].astype(np.float32)
        model = self._mean[GRID // 2 :: GRID, GRID // 2 :: GRID]
        usable = self._free[GRID // 2 :: GRID, GRID // 2 :: GRID]
        usable = usable & (there.max(axis=2) < 250) & (model.min(axis=2) > 6)
        if np.count_nonzero(usable) * 4 < usable.size:
            return
        gain = np.median(there[usable] / model[usable], axis=0)
        if np.abs(gain - 1.0).max() > SETTLED_GAIN:
            self._mean *= gain.astype(np.float32)
            np.minimum(self._mean, 255.0, out=self._mean)
            self._refresh()

    def _refresh(self) -> None:
        """Prepare the quick test: a box in RGB around each pixel's mean, inside of which nothing can be a seed."""
        reach = np.minimum(self._luma_low(), self._chroma_low() * 1.2)[..., None]
        self._low = np.clip(self._mean - reach, 0, 255).astype(np.uint8)
        self._high = np.clip(self._mean + reach + 1.0, 0, 255).astype(np.uint8)

    def _luma_low(self) -> Planes:
        low: Planes = np.maximum(LUMA_LOW, LUMA_DEVIATIONS * self._luma_spread) / np.float32(self._sensitivity)
        return low

    def _chroma_low(self) -> Planes:
        low: Planes = np.maximum(CHROMA_LOW, CHROMA_DEVIATIONS * self._chroma_spread) / np.float32(self._sensitivity)
        return low

    def _offsets(self, small: Image) -> tuple[Planes, Planes, Planes]:
        """Return brightness offset, chroma offset (grey levels) and the brightness ratio to the model."""
        picture = small.astype(np.float32)
        luma = picture.mean(axis=2)
        base = self._mean.mean(axis=2)
        ratio = luma / np.maximum(base, 1.0)
        chroma = np.abs(picture - self._mean * ratio[..., None]).max(axis=2)
        return luma - base, chroma, ratio

    def _judge(self, small: Image) -> Difference:
        luma, chroma, ratio = self._offsets(small)
        luma_low, chroma_low = self._luma_low(), self._chroma_low()
        lit = (luma > 0) | (ratio < SHADOW)
        extent = (lit & (np.abs(luma) > luma_low)) | (chroma > chroma_low)
        seeds = (lit & (np.abs(luma) > luma_low * (LUMA_HIGH / LUMA_LOW))) | (
            chroma > chroma_low * (CHROMA_HIGH / CHROMA_LOW)
        )
        return Difference(extent.astype(np.uint8) * np.uint8(255), seeds.astype(np.uint8) * np.uint8(255))


def _without_items(picture: Planes) -> Planes:
    """Return a first picture with whatever lies on the belt painted over by the belt of the same row.

    A belt looks alike along its way, so a pixel far from its row's median (over the belt's length) is no belt.
    """
    row = np.median(picture, axis=1, keepdims=True)
    off = np.abs(picture - row).max(axis=2)
    usual = np.median(off, axis=1, keepdims=True)
    strange = off > np.maximum(LUMA_LOW, 4.0 * usual)
    strange = cv2.dilate(strange.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    return np.where(strange[..., None], row, picture).astype(np.float32)
