"""What happens to waste before a camera sees it: it is crushed, and it is dirty."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.types import Image

Generator = np.random.Generator
Mask = NDArray[np.uint8]


def crush(photo: Image, mask: Mask | None, rng: Generator) -> tuple[Image, Mask | None]:
    """Bend the photo and the outline of its object alike, and shade the creases."""
    height, width = photo.shape[:2]
    reach = 0.09 * min(height, width) * rng.uniform(0.3, 1.0)
    across, down = (_smooth(rng, height, width, int(rng.integers(3, 8))) * reach for _ in range(2))
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = x + across, y + down
    bent = np.asarray(cv2.remap(photo, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)
    creases = 1 - np.abs(_smooth(rng, height, width, int(rng.integers(6, 16))))
    shaded = bent * (1 + (creases * rng.uniform(0.05, 0.3))[..., None])
    outline = None if mask is None else np.asarray(cv2.remap(mask, x, y, cv2.INTER_LINEAR), dtype=np.uint8)
    return np.asarray(np.clip(shaded, 0, 255), dtype=np.uint8), outline


def soil(view: Image, rng: Generator) -> Image:
    """Dust over everything, and stains of earth, ash or grease."""
    size = view.shape[0]
    tint = np.array(((96, 78, 58), (70, 66, 60), (128, 116, 98), (36, 32, 28))[int(rng.integers(4))], np.float32)
    tint = tint * rng.uniform(0.7, 1.3)
    pixels: np.ndarray = view.astype(np.float32)
    film = rng.uniform(0, 0.35)
    pixels = pixels * (1 - film) + tint * film
    spots = _smooth(rng, size, size, int(rng.integers(4, 28))) + 0.5 * _smooth(
        rng, size, size, int(rng.integers(20, 70))
    )
    stains = np.clip((spots - rng.uniform(0.4, 1.6)) * rng.uniform(1, 4), 0, 1)[..., None] * rng.uniform(0.3, 0.9)
    return np.asarray(np.clip(pixels * (1 - stains) + tint * stains, 0, 255), dtype=np.uint8)


def _smooth(rng: Generator, height: int, width: int, cells: int) -> np.ndarray:
    grid = rng.normal(0, 1, (cells, cells)).astype(np.float32)
    return np.asarray(cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC))
