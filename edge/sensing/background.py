"""What the empty belt looks like, and which pixels are not it.

Each small pixel has a mean colour and a mean deviation from it, learnt only where nothing lies. Brightness
and colour are judged apart: a shadow darkens all three channels by one factor, so what is darker but keeps its
chroma is no item (the colour model of Horprasert, Harwood and Davis, 1999). The whole picture's change of exposure
and white balance is measured each frame as the median ratio to the model and taken out.

OpenCV does the arithmetic: on 160 x 120 floats its calls take 4 to 11 us where NumPy's reductions over the
colour axis take 150.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.types import Image

Mask = NDArray[np.uint8]
Planes = NDArray[np.float32]
Slices = tuple[slice, slice]

# In grey levels of 255. Sensor noise after shrinking is 1 to 2, a belt's join 5 to 12, an item's edge 30 and more.
LUMA_LOW, LUMA_HIGH = 12.0, 26.0
CHROMA_LOW, CHROMA_HIGH = 9.0, 18.0
# How many mean deviations of the belt's own texture count as different.
DEVIATIONS = 4.0
# A passing join must not teach the model that everything is belt.
LUMA_SPREAD_MOST, CHROMA_SPREAD_MOST = 12.0, 8.0
# A shadow leaves at least this share of the light.
SHADOW = 0.45
# Seconds over which the model follows slow changes; a fresh model averages all it has seen until then.
MEMORY_S = 4.0
# The exposure is measured on every eighth pixel each way; smaller changes than this are left to learning.
GRID = 8
SETTLED_GAIN = 0.01

_LUMA = np.full((1, 3), 1 / 3, np.float32)
# Two differences that are 0 for any grey and that a shadow scales as it scales the brightness.
_RED_GREEN = np.array([[1, -1, 0]], np.float32)
_BLUE_YELLOW = np.array([[-0.5, -0.5, 1]], np.float32)


@dataclass(frozen=True, slots=True)
class Difference:
    """What is not belt, over the part of the small picture that starts at (left, top).

    `extent` is 255 over whole items, `seeds` where that is beyond doubt, `shade` (where asked for) over what is darker
    and may be a shadow. `size` is the small picture's, along and across the belt.
    """

    extent: Mask
    seeds: Mask
    size: tuple[int, int]
    left: int = 0
    top: int = 0
    shade: Mask | None = None

    @property
    def where(self) -> Slices:
        """Rows and columns of the small picture."""
        height, width = self.extent.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)


@dataclass(frozen=True, slots=True)
class _Colour:
    """A picture as brightness and two chroma planes."""

    luma: Planes
    red_green: Planes
    blue_yellow: Planes

    def part(self, where: Slices) -> _Colour:
        return _Colour(self.luma[where], self.red_green[where], self.blue_yellow[where])


def _colour(picture: Planes) -> _Colour:
    return _Colour(*(_plane(cv2.transform(picture, m)) for m in (_LUMA, _RED_GREEN, _BLUE_YELLOW)))


def _mask(array: Any) -> Mask:
    result: Mask = array
    return result


def _plane(array: Any) -> Planes:
    """Name the type that OpenCV's stubs leave open."""
    result: Planes = array
    return result


class Background:
    """A model of the empty belt for small pictures of one size.

    `along_belt`: the first picture may hold items, which its rows along the belt give away.
    """

    def __init__(self, first: Image, sensitivity: float = 1.0, *, along_belt: bool = True) -> None:
        self._sensitivity = sensitivity
        picture = first.astype(np.float32)
        self._mean: Planes = _without_items(first) if along_belt else picture.copy()
        row_spread = np.median(np.abs(picture - self._mean).mean(axis=2), axis=1, keepdims=True)
        spread = np.broadcast_to(np.minimum(row_spread, LUMA_SPREAD_MOST / 2), picture.shape[:2]).astype(np.float32)
        self._luma_spread: Planes = np.ascontiguousarray(spread)
        self._chroma_spread: Planes = np.ascontiguousarray(spread * np.float32(0.5))
        self._free: NDArray[np.bool_] = np.ones(picture.shape[:2], dtype=bool)
        places = np.arange(picture.shape[0] * picture.shape[1]).reshape(picture.shape[:2])
        self._grid = places[GRID // 2 :: GRID, GRID // 2 :: GRID].ravel()
        self._seen_s = 0.0
        self._refresh()

    @property
    def mean(self) -> Planes:
        """The empty belt, (across, along, 3)."""
        return self._mean

    def compare(self, small: Image, *, follow: bool = True, shades: bool = False) -> Difference | None:
        """Return what is not belt, or None for an empty picture; with `follow`, the exposure is followed."""
        if follow:
            self._follow_exposure(small)
        other = cv2.bitwise_not(cv2.inRange(small, self._lowest, self._highest))
        left, top, width, height = cv2.boundingRect(other)
        if width == 0:
            return None
        # Two pixels more each way, for the faint rim of things.
        where = slice(max(0, top - 2), top + height + 2), slice(max(0, left - 2), left + width + 2)
        return self._judge(small[where], where, shades)

    def learn(self, small: Image, elapsed_s: float, covered: Mask | None = None) -> None:
        """Take the picture into the model, but for the pixels that are `covered` (255, else 0)."""
        self._seen_s += elapsed_s
        rate = min(0.5, elapsed_s / min(MEMORY_S, max(self._seen_s, 4 * elapsed_s)))
        free = None if covered is None else cv2.bitwise_not(covered)
        self._free = np.ones(small.shape[:2], dtype=bool) if covered is None else covered == 0
        luma, chroma, _ = _offsets(_colour(small.astype(np.float32)), self._colours)
        luma = _plane(cv2.min(cv2.absdiff(luma, 0.0), LUMA_SPREAD_MOST))  # type: ignore[call-overload]
        chroma = _plane(cv2.min(chroma, CHROMA_SPREAD_MOST))  # type: ignore[call-overload]
        cv2.accumulateWeighted(luma, self._luma_spread, rate, free)
        cv2.accumulateWeighted(chroma, self._chroma_spread, rate, free)
        cv2.accumulateWeighted(small, self._mean, rate, free)
        self._refresh()

    def absorb(self, small: Image, left: int, top: int, right: int, bottom: int) -> None:
        """Take a rectangle of the picture for belt at once: something there never moves."""
        self._mean[top:bottom, left:right] = small[top:bottom, left:right]
        self._refresh()

    def _follow_exposure(self, small: Image) -> None:
        if self._sample.size == 0:
            return
        ratios = np.sort(small.reshape(-1, 3)[self._sample] * self._per_sample, axis=0)
        gain = ratios[len(ratios) // 2]
        if np.abs(gain - 1.0).max() > SETTLED_GAIN:
            self._mean *= gain
            np.minimum(self._mean, 255.0, out=self._mean)
            self._refresh()

    def _refresh(self) -> None:
        """Prepare what each comparison needs: thresholds, the model's colours, and the box of the quick test.

        The box is one in RGB around each pixel's mean, inside of which nothing can be a seed.
        """
        scale = np.float32(1 / self._sensitivity)
        self._luma_low = np.maximum(LUMA_LOW, DEVIATIONS * self._luma_spread) * scale
        self._chroma_low = np.maximum(CHROMA_LOW, DEVIATIONS * self._chroma_spread) * scale
        self._colours = _colour(self._mean)
        # Beyond the seeds' thresholds, which are twice as high, at least one channel is off by more than this.
        reach = cv2.merge([np.minimum(self._luma_low, self._chroma_low)] * 3)
        self._luma_high = self._luma_low * np.float32(LUMA_HIGH / LUMA_LOW)
        self._chroma_high = self._chroma_low * np.float32(CHROMA_HIGH / CHROMA_LOW)
        self._lowest = cv2.subtract(self._mean, reach, dtype=cv2.CV_8U)
        self._highest = cv2.add(self._mean, reach, dtype=cv2.CV_8U)
        # Where the exposure is measured: spread over all that is free, neither black nor white; none if that is little.
        model = self._mean.reshape(-1, 3)[self._grid]
        usable = self._free.ravel()[self._grid] & (model.min(axis=1) > 6) & (model.max(axis=1) < 245)
        self._sample = self._grid[usable] if 4 * np.count_nonzero(usable) >= usable.size else self._grid[:0]
        self._per_sample = 1 / self._mean.reshape(-1, 3)[self._sample]

    def _judge(self, part: Image, where: Slices, shades: bool) -> Difference:
        luma, chroma, ratio = _offsets(_colour(part.astype(np.float32)), self._colours.part(where))
        # What is darker with the same chroma may be a shadow: its brightness says nothing.
        lit = cv2.bitwise_or(cv2.compare(luma, 0.0, cv2.CMP_GT), cv2.compare(ratio, SHADOW, cv2.CMP_LT))  # type: ignore[call-overload]
        offset = cv2.absdiff(luma, 0.0)  # type: ignore[call-overload]
        extent, seeds = (
            _mask(
                cv2.bitwise_or(
                    cv2.bitwise_and(cv2.compare(offset, luma_limit[where], cv2.CMP_GT), lit),
                    cv2.compare(chroma, chroma_limit[where], cv2.CMP_GT),
                )
            )
            for luma_limit, chroma_limit in ((self._luma_low, self._chroma_low), (self._luma_high, self._chroma_high))
        )
        across, along = self._mean.shape[:2]
        shade = None
        if shades:
            shade = _mask(
                cv2.bitwise_and(cv2.compare(offset, self._luma_low[where], cv2.CMP_GT), cv2.bitwise_not(extent))
            )
        return Difference(extent, seeds, (along, across), where[1].start, where[0].start, shade)


def _offsets(there: _Colour, model: _Colour) -> tuple[Planes, Planes, Planes]:
    """Return brightness offset, chroma offset (grey levels) and the brightness ratio to the model."""
    ratio = cv2.divide(there.luma, cv2.max(model.luma, 1.0))  # type: ignore[call-overload]
    chroma = cv2.max(
        cv2.absdiff(there.red_green, cv2.multiply(model.red_green, ratio)),
        cv2.absdiff(there.blue_yellow, cv2.multiply(model.blue_yellow, ratio)),
    )
    return _plane(cv2.subtract(there.luma, model.luma)), _plane(chroma), _plane(ratio)


def _without_items(first: Image) -> Planes:
    """Return a first picture with whatever lies on the belt painted over by the belt around it.

    What is no belt differs both from the median of its row (a belt looks alike along its way) and from the median
    of its surroundings (light falls off gradually).
    """
    picture = first.astype(np.float32)
    row = np.median(picture, axis=1, keepdims=True)
    around = cv2.medianBlur(first, min(first.shape[:2]) // 2 | 1).astype(np.float32)
    strange = np.ones(first.shape[:2], dtype=bool)
    for usual in (row, around):
        off = np.abs(picture - usual).max(axis=2)
        strange &= off > np.maximum(LUMA_LOW, 4.0 * np.median(off, axis=1, keepdims=True))
    strange = cv2.dilate(strange.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    return np.where(strange[..., None], around, picture).astype(np.float32)
