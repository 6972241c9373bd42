"""Belt surfaces: long strips that repeat without a joint."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.errors import ConfigError
from edge.simulate.render.exact import blurred, resized, settled, uniform
from edge.types import Image

Floats = NDArray[np.float32]

TEXTURES: Final = ("rubber", "blue", "seams", "dirty", "wood")
LENGTH_PX: Final = 2048
"""Length of a strip; the surface repeats after it."""


@lru_cache(maxsize=4)
def build_strip(texture: str, across: int, seed: int) -> Image:
    """Return a strip (across, LENGTH_PX, 3) of the surface that the name or the picture's path stands for.

    The strip is shared by all callers: not to be written into.

    Raises:
        ConfigError: neither a known surface nor a picture that can be read.
    """
    rng = np.random.default_rng([seed, 7])
    if texture in TEXTURES:
        strip = _plain(texture, across, rng)
        if texture in ("seams", "dirty"):
            _add_seams(strip, rng)
        if texture == "dirty":
            _add_dirt(strip, rng)
        return np.clip(strip, 0, 255, out=strip).astype(np.uint8)
    return _from_picture(Path(texture), across)


def _plain(texture: str, across: int, rng: np.random.Generator) -> Floats:
    if texture == "blue":
        return _cloth((52, 96, 148), across, rng, coarse=2.0, fine=3.0)
    if texture == "wood":
        return _grain((128, 96, 64), across, rng)
    return _cloth((50, 51, 53), across, rng, coarse=3.0, fine=4.0)


def _wrapped_noise(across: int, rng: np.random.Generator, sigma_x: float, sigma_y: float) -> Floats:
    """Smooth noise of standard deviation 1 that repeats along the belt."""
    pad = int(4 * sigma_x) + 1
    noise = rng.standard_normal((across, LENGTH_PX)).astype(np.float32)
    wide = np.concatenate([noise[:, -pad:], noise, noise[:, :pad]], axis=1)
    smooth = blurred(wide, sigma_x, sigma_y)[:, pad:-pad]
    return np.asarray(smooth / settled(smooth.std()), np.float32)


def _cloth(colour: tuple[int, int, int], across: int, rng: np.random.Generator, coarse: float, fine: float) -> Floats:
    grey = coarse * _wrapped_noise(across, rng, 20.0, 20.0) + fine * _wrapped_noise(across, rng, 0.7, 0.7)
    return np.asarray(np.array(colour, np.float32) + grey[:, :, None], np.float32)


def _grain(colour: tuple[int, int, int], across: int, rng: np.random.Generator) -> Floats:
    grey = 9.0 * _wrapped_noise(across, rng, 160.0, 3.0) + 4.0 * _wrapped_noise(across, rng, 12.0, 0.8)
    return np.asarray(np.array(colour, np.float32) + grey[:, :, None] * np.array((1.0, 0.85, 0.7)), np.float32)


def _add_seams(strip: Floats, rng: np.random.Generator) -> None:
    """Two joins in the belt, slightly oblique, light on one side and dark on the other."""
    across = strip.shape[0]
    for start in (LENGTH_PX // 5, LENGTH_PX * 7 // 10):
        end = start + int(rng.integers(-30, 31))
        shade = np.zeros(strip.shape[:2], np.float32)
        cv2.line(shade, (start, 0), (end, across - 1), -16.0, 5, cv2.LINE_AA)
        cv2.line(shade, (start + 4, 0), (end + 4, across - 1), 12.0, 2, cv2.LINE_AA)
        strip += shade[:, :, None]


def _add_dirt(strip: Floats, rng: np.random.Generator) -> None:
    """Stains, scratches and crumbs; all of them move with the belt."""
    across = strip.shape[0]
    stains = np.zeros(strip.shape[:2], np.float32)
    for _ in range(26):
        centre = (int(rng.integers(60, LENGTH_PX - 60)), int(rng.integers(across)))
        axes = (int(rng.integers(8, 50)), int(rng.integers(5, 26)))
        cv2.ellipse(stains, centre, axes, uniform(rng, 0, 180), 0, 360, uniform(rng, -9, 9), -1)
    strip += blurred(stains, 5.0, 5.0).astype(np.float32)[:, :, None]
    marks = np.zeros(strip.shape[:2], np.float32)
    for _ in range(30):
        x, y = int(rng.integers(90, LENGTH_PX - 90)), int(rng.integers(across))
        end = (x + int(rng.integers(-80, 81)), y + int(rng.integers(-12, 13)))
        cv2.line(marks, (x, y), end, uniform(rng, -10, 14), 1, cv2.LINE_AA)
        cv2.circle(marks, (int(rng.integers(4, LENGTH_PX - 4)), int(rng.integers(across))), 2, 30.0, -1, cv2.LINE_AA)
    strip += marks[:, :, None]


def _from_picture(path: Path, across: int) -> Image:
    """A picture, mirrored so that it repeats without a joint."""
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR) if path.is_file() else None
    if picture is None:
        raise ConfigError(
            f"simulation.texture = {str(path)!r}: expected one of {', '.join(TEXTURES)} or the path of a picture"
        )
    picture = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
    tile = resized(np.asarray(picture, np.uint8), (LENGTH_PX // 2, across))
    return np.ascontiguousarray(np.concatenate([tile, tile[:, ::-1]], axis=1), np.uint8)
