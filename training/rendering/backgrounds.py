"""What lies behind and around an object: belts, tables, floors, real surroundings."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from edge.types import Image
from training.rendering.belts import draw_belt

Generator = np.random.Generator


def draw_background(rng: Generator, size: int, surroundings: Sequence[Image], belts: float = 0.0) -> Image:
    """Return a background of size x size: half drawn, half a piece of a real photo, often out of focus.

    Of the drawn ones a share of `belts` are belts and tables.
    """
    if not surroundings or rng.random() < 0.5:
        return draw_belt(rng, size) if belts > 0 and rng.random() < belts else _drawn(rng, size)
    photo = surroundings[int(rng.integers(len(surroundings)))]
    side = int(min(photo.shape[:2]) * rng.uniform(0.4, 1.0))
    top, left = (int(rng.integers(edge - side + 1)) for edge in photo.shape[:2])
    piece = np.asarray(cv2.resize(photo[top : top + side, left : left + side], (size, size)), dtype=np.uint8)
    if rng.random() < 0.6:
        piece = np.asarray(cv2.GaussianBlur(piece, (0, 0), rng.uniform(1.0, 9.0)), dtype=np.uint8)
    return np.asarray(np.rot90(piece, int(rng.integers(4))), dtype=np.uint8)


def _drawn(rng: Generator, size: int) -> Image:
    kind = rng.choice(["plain", "gradient", "cloudy", "grain", "stripes", "tiles", "speckle"])
    base = _colour(rng)
    canvas = np.ones((size, size, 3), np.float32) * base
    if kind == "gradient":
        ramp = np.linspace(0, 1, size, dtype=np.float32)[:, None, None]
        canvas = canvas * (1 - ramp) + _colour(rng) * ramp
        canvas = np.rot90(canvas, int(rng.integers(4)))
    elif kind == "cloudy":
        canvas = canvas + _noise(rng, size, int(rng.integers(3, 40)), rng.random() < 0.3) * rng.uniform(5, 45)
    elif kind == "grain":  # wood, brushed metal: noise drawn out along one direction
        rows = cv2.resize(rng.normal(0, 1, (size // 2, 4)).astype(np.float32), (size, size))
        canvas = canvas + np.rot90(rows[..., None], int(rng.integers(2))) * rng.uniform(4, 28)
    elif kind in ("stripes", "tiles"):
        canvas = canvas + _stripes(rng, size, crossed=kind == "tiles") * (_colour(rng) - base)
    elif kind == "speckle":
        fine = _noise(rng, size, int(rng.integers(60, size)), rng.random() < 0.5)
        canvas = canvas + fine * rng.uniform(8, 40)
    canvas = canvas * (1 + _noise(rng, size, 3, coloured=False) * rng.uniform(0, 0.15))
    canvas = canvas + rng.normal(0, rng.uniform(0, 9), (size, size, 1))
    return np.asarray(np.clip(canvas, 0, 255), dtype=np.uint8)


def _colour(rng: Generator) -> np.ndarray:
    """Surfaces are grey, dark or tinted far more often than vivid."""
    value = rng.uniform(5, 250)
    vivid = rng.choice([0.05, 0.25, 1.0], p=[0.45, 0.35, 0.2])
    return np.asarray(np.clip(value * (1 + vivid * rng.uniform(-1, 1, 3)), 0, 255), dtype=np.float32)


def _noise(rng: Generator, size: int, cells: int, coloured: bool) -> np.ndarray:
    grid = rng.normal(0, 1, (cells, cells, 3 if coloured else 1)).astype(np.float32)
    return np.asarray(cv2.resize(grid, (size, size), interpolation=cv2.INTER_LINEAR)).reshape(size, size, -1)


def _stripes(rng: Generator, size: int, crossed: bool) -> np.ndarray:
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)
    angle, period = rng.uniform(0, np.pi), rng.uniform(6, 90)
    wave = np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / period)
    if crossed:
        wave = np.maximum(wave, np.sin((y * np.cos(angle) - x * np.sin(angle)) * 2 * np.pi / period))
    return np.asarray(np.clip(wave * rng.uniform(1, 12), 0, 1)[..., None] * rng.uniform(0.2, 1.0))
