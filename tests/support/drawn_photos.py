"""Photos of drawn things, for tests that need some but not real ones."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np


def draw_photo(label: str, seed: int) -> np.ndarray:
    """A red disc or a blue square on a light board, RGB, 96 x 128."""
    rng = np.random.default_rng(seed)
    board = np.full((96, 128, 3), 215, np.float32) + rng.normal(0, 2, (96, 128, 1))
    x, y, size = int(rng.integers(45, 83)), int(rng.integers(40, 56)), int(rng.integers(16, 26))
    if label == "disc":
        cv2.circle(board, (x, y), size, (190.0, 40.0, 30.0), -1)
    else:
        cv2.rectangle(board, (x - size, y - size), (x + size, y + size), (20.0, 60.0, 200.0), -1)
    return np.clip(board, 0, 255).astype(np.uint8)


def write_photo(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels[..., ::-1])
