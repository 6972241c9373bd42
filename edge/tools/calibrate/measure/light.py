"""Focus, brightness, flicker, and the exposure that keeps items sharp."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from edge.types import Box, Image

# Blur of one pixel costs no accuracy that was measurable; two do.
MAX_BLUR_PIXELS = 1.0
# Of the mean brightness, peak to peak: above this the lamps flicker.
FLICKER_LIMIT = 0.04
LOCK_LIMIT = 0.02
DARK = 12.0
# A longer exposure than this shortens nothing but the frame rate.
LONGEST_S = 0.02


@dataclass(frozen=True, slots=True)
class Light:
    """What a run of pictures of an unmoving scene says.

    Attributes:
        mean: mean grey level.
        spread: standard deviation of the pictures' means, grey levels.
        flicker: peak to peak of the pictures' means over their mean.
        drift: change from the first tenth to the last tenth of the pictures, over the mean.
        clipped: share of pixels at 250 and above.
        colour_drift: change of red and blue against green from the first tenth to the last tenth.
    """

    mean: float
    spread: float
    flicker: float
    drift: float
    clipped: float
    colour_drift: float

    @property
    def is_covered(self) -> bool:
        """Whether it is too dark to be anything but a covered lens or a lamp that is off."""
        return self.mean < DARK

    @property
    def is_locked(self) -> bool:
        """Whether exposure and gain hold still."""
        return abs(self.drift) <= LOCK_LIMIT


def measure_light(pictures: Sequence[Image], region: Box) -> Light:
    """Measure at least 10 pictures, (height, width, 3) each."""
    if len(pictures) < 10:
        raise ValueError(f"expected at least 10 pictures, got {len(pictures)}")
    greys = [cv2.cvtColor(_cut(picture, region), cv2.COLOR_RGB2GRAY) for picture in pictures]
    colours = np.array([cv2.mean(_cut(picture, region))[:3] for picture in pictures])
    ratios = colours[:, (0, 2)] / np.maximum(colours[:, 1:2], 1.0)
    means = np.array([grey.mean() for grey in greys])
    tenth = max(1, len(means) // 10)
    mean = float(means.mean())
    floor = max(mean, 1.0)
    return Light(
        mean=mean,
        spread=float(means.std()),
        flicker=float(np.ptp(means)) / floor,
        drift=float(means[-tenth:].mean() - means[:tenth].mean()) / floor,
        clipped=float(np.mean([(grey >= 250).mean() for grey in greys])),
        colour_drift=float(np.abs(ratios[-tenth:].mean(axis=0) - ratios[:tenth].mean(axis=0)).max()),
    )


def sharpness(picture: Image, region: Box) -> float:
    """Return 0 to 1: how much fine detail a picture loses when it is blurred; nothing is lost where nothing was.

    After Crete et al., The blur effect: perception and estimation with a new no-reference blur metric, 2007.
    """
    grey = cv2.cvtColor(_cut(picture, region), cv2.COLOR_RGB2GRAY).astype(np.float32)
    lost, there = 0.0, 1e-9
    for size, axis in (((1, 9), 0), ((9, 1), 1)):
        steps = np.abs(np.diff(grey, axis=axis))
        softer = np.abs(np.diff(cv2.blur(grey, size), axis=axis))
        lost += float(np.maximum(0, steps - softer).sum())
        there += float(steps.sum())
    return lost / there


@dataclass(frozen=True, slots=True)
class Exposure:
    """An exposure time and what it costs.

    Attributes:
        exposure_us: microseconds.
        flicker_free: whether it is a whole number of half periods of the mains.
        blur_pixels: how far the belt moves in that time.
    """

    exposure_us: int
    flicker_free: bool
    blur_pixels: float


def choose_exposure(speed_mm_per_s: float, mm_per_pixel: float, mains_hz: float = 50.0) -> Exposure:
    """Return the longest exposure that blurs by at most a pixel, in whole half periods of the mains where one fits.

    A lamp on the mains is brightest twice a period, so an exposure of n half periods sees the same light always.
    """
    longest = MAX_BLUR_PIXELS * mm_per_pixel / speed_mm_per_s if speed_mm_per_s > 0 else 1 / mains_hz
    longest = min(longest, LONGEST_S)
    half = 1 / (2 * mains_hz)
    whole = math.floor(longest / half + 1e-9)
    seconds = whole * half if whole else longest
    microseconds = max(10, round(seconds * 1e6))
    return Exposure(microseconds, whole > 0, speed_mm_per_s * microseconds / 1e6 / mm_per_pixel)


@dataclass(frozen=True, slots=True)
class Setting:
    """Exposure and gain together."""

    exposure_us: int
    gain: float

    def times(self, factor: float, longest_us: int, gains: tuple[float, float], mains_hz: float) -> Setting:
        """Return the setting for a picture that is brighter by a factor: exposure before gain, as it adds no noise.

        `gains` are the least and the most to choose from.
        """
        wanted_us = self.exposure_us * self.gain * factor
        least, most = gains
        exposure = min(longest_us, wanted_us / least)
        half_us = 5e5 / mains_hz
        if exposure >= half_us:
            exposure = math.floor(exposure / half_us) * half_us
        return Setting(max(10, round(exposure)), round(min(most, max(least, wanted_us / exposure)), 3))


def _cut(picture: Image, region: Box) -> Image:
    return picture[region.y : region.y + region.height, region.x : region.x + region.width]
