"""Grounds of belts and sorting tables, drawn: rubber, PVC in blue and green, wood, steel, links of plastic."""

from __future__ import annotations

import cv2
import numpy as np

from edge.types import Image

Generator = np.random.Generator
_RUBBER, _BLUE, _GREEN, _WOOD, _STEEL, _WHITE = (46, 46, 48), (40, 92, 160), (38, 110, 74), (150, 108, 66), (150, 153, 156), (214, 214, 208)  # fmt: skip
_COLOURS = {"rubber": _RUBBER, "pvc-blue": _BLUE, "pvc-green": _GREEN, "wood": _WOOD, "steel": _STEEL, "links": _BLUE}


def draw_belt(rng: Generator, size: int) -> Image:
    """A piece of a belt or a table of size x size, worn, as it comes under cameras of any white balance."""
    kind = str(rng.choice([*_COLOURS]))
    base: np.ndarray = np.array(_WHITE if kind == "links" and rng.random() < 0.4 else _COLOURS[kind], np.float32)
    base = base * rng.uniform(0.4, 1.35) * rng.uniform(0.88, 1.12, 3)
    canvas = np.ones((size, size, 3), np.float32) * base
    if kind == "wood":
        canvas = canvas * (1 + _rings(rng, size)[..., None] * rng.uniform(0.05, 0.22))
    elif kind == "steel":
        canvas = canvas + _brushed(rng, size)[..., None] * rng.uniform(3, 16)
        canvas = canvas + _sheen(rng, size)[..., None] * rng.uniform(10, 80)
    elif kind == "links":
        canvas = canvas * (1 - _links(rng, size)[..., None] * rng.uniform(0.3, 0.85))
    else:
        fine = cv2.GaussianBlur(rng.normal(0, 1, (size, size)).astype(np.float32), (0, 0), rng.uniform(0.6, 1.6))
        canvas = canvas + np.asarray(fine)[..., None] * rng.uniform(2, 14)
    if rng.random() < 0.6:
        canvas = _scuffed(canvas, rng)
    return np.asarray(np.clip(np.rot90(canvas, int(rng.integers(4))), 0, 255), dtype=np.uint8)


def _rings(rng: Generator, size: int) -> np.ndarray:
    """Year rings cut lengthwise: waves across that wander along the board."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)
    wander = np.asarray(cv2.resize(rng.normal(0, 1, (4, 3)).astype(np.float32), (size, size))) * rng.uniform(5, 25)
    return np.asarray(np.sin((y + wander) * 2 * np.pi / rng.uniform(7, 30)) + 0.5 * np.sin(x * 0 + (y + wander) * 0.9))


def _brushed(rng: Generator, size: int) -> np.ndarray:
    return np.asarray(cv2.resize(rng.normal(0, 1, (size, 3)).astype(np.float32), (size, size)))


def _sheen(rng: Generator, size: int) -> np.ndarray:
    """A lamp's soft reflection."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    across = (x - rng.uniform(0, 1)) * np.cos(tilt := rng.uniform(0, np.pi)) + (y - rng.uniform(0, 1)) * np.sin(tilt)
    return np.asarray(np.exp(-np.square(across / rng.uniform(0.08, 0.4))))


def _links(rng: Generator, size: int) -> np.ndarray:
    """Gaps and holes of a modular belt: 1 where one looks through."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)
    pitch, gap = rng.uniform(16, 70), rng.uniform(0.06, 0.3)
    open_ = np.mod(y, pitch) < gap * pitch
    if rng.random() < 0.5:
        open_ &= np.mod(x + pitch / 2 * (np.floor(y / pitch) % 2), pitch) < 0.7 * pitch
    return np.asarray(cv2.GaussianBlur(open_.astype(np.float32), (0, 0), 0.8))


def _scuffed(canvas: np.ndarray, rng: Generator) -> np.ndarray:
    """Scratches and streaks of what was dragged over it."""
    size = canvas.shape[0]
    marks = np.zeros((size, size), np.float32)
    for _ in range(int(rng.integers(2, 14))):
        start, end = rng.integers(-size // 4, size + size // 4, (2, 2)).tolist()
        cv2.line(marks, start, end, float(rng.uniform(0.2, 1)), int(rng.integers(1, 4)), cv2.LINE_AA)
    soft = np.asarray(cv2.GaussianBlur(marks, (0, 0), float(rng.uniform(0.5, 2))))
    return np.asarray(canvas + soft[..., None] * rng.uniform(-40, 45))
