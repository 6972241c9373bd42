"""What lens, lamps and sensor add to the light that falls on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from edge.clock import NS_PER_S
from edge.simulate.render.exact import multiply, sine
from edge.types import Image

_BAND_PHASES: Final = 8
_MARGIN: Final = 61  # the noise tile is this much larger than a frame, so that it is cut out elsewhere each time


@dataclass(frozen=True)
class Optics:
    """How good the camera is.

    Attributes:
        noise: standard deviation, grey levels.
        vignetting: loss of light in the corners, 0 to 1.
        banding: amplitude of the mains flicker that rolls over the rows, 0 to 1.
        drift: amplitude of the slow change of brightness, 0 to 1; its period is `drift_s` seconds.
    """

    noise: float = 2.0
    vignetting: float = 0.18
    banding: float = 0.012
    drift: float = 0.04
    drift_s: float = 97.0


class Sensor:
    """Turns clean pictures of one size into what the camera gives; in place."""

    def __init__(self, size: tuple[int, int], optics: Optics, seed: int) -> None:
        width, height = size
        rng = np.random.default_rng([seed, 11])
        self._optics = optics
        self._depth = int(np.ceil(3 * optics.noise))
        self._noise: Image | None = None
        if self._depth:
            noise = rng.standard_normal((height + _MARGIN, width + _MARGIN, 3))
            noise *= optics.noise
            noise += self._depth
            np.clip(np.rint(noise, out=noise), 0, 2 * self._depth, out=noise)  # in place: 33 MB at 1280 x 960
            self._noise = noise.astype(np.uint8)
        self._offset = np.array([self._depth] * 3 + [0], np.float64)
        self._light = _light_maps(width, height, optics)

    def expose(self, picture: Image, at: int, gain: float = 1.0) -> None:
        """Change a clean picture into a taken one; the same instant always gives the same noise."""
        seconds = at / NS_PER_S
        gain *= 1 + self._optics.drift * sine(seconds / self._optics.drift_s)
        light = self._light[int(seconds * 2.3 * _BAND_PHASES) % len(self._light)]
        multiply(picture, light, gain / 255)
        if self._noise is not None:
            mixed = (at // 1000 * 2654435761) & 0xFFFFFFFF
            y, x = mixed % _MARGIN, mixed // _MARGIN % _MARGIN
            height, width = picture.shape[:2]
            cv2.add(picture, self._noise[y : y + height, x : x + width], dst=picture)
            cv2.subtract(picture, self._offset, dst=picture)


def _light_maps(width: int, height: int, optics: Optics) -> list[Image]:
    """Vignetting times banding, one map for each phase of the band; 255 is full light."""
    x, y = (np.arange(n) / (n / 2) - 1 for n in (width, height))
    lens = 1 - optics.vignetting * (x * x + (y * y)[:, None]) / 2
    maps = []
    for phase in range(_BAND_PHASES if optics.banding else 1):
        wave = np.array([sine(1.7 * row / height + phase / _BAND_PHASES) for row in range(height)])
        band = 1 - optics.banding * (1 + wave)
        grey = np.rint(255 * lens * band[:, None]).astype(np.uint8)
        maps.append(np.ascontiguousarray(np.repeat(grey[:, :, None], 3, axis=2)))
    return maps
