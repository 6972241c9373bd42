"""The printed sheet that gives a picture its scale: a grid of ArUco markers of known size on A4."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import cv2
import numpy as np

from edge.errors import CalibrationError, SetupError
from edge.types import Image

MARKER_MM: Final = 24.0
GAP_MM: Final = 8.0
COLUMNS, ROWS = 8, 5
PAGE_MM: Final = (297.0, 210.0)
# 4x4 cells: still readable at 4 pixels a cell, which is 1 mm a pixel.
DICTIONARY: Final = cv2.aruco.DICT_4X4_50
_DPI: Final = 300
_RULER_MM: Final = 100


def board() -> cv2.aruco.GridBoard:
    """Return the grid; its coordinates are millimetres."""
    dictionary = cv2.aruco.getPredefinedDictionary(DICTIONARY)
    return cv2.aruco.GridBoard((COLUMNS, ROWS), MARKER_MM, GAP_MM, dictionary)


def draw_sheet(dots_per_mm: float = _DPI / 25.4) -> Image:
    """Return the page, (height, width), grey: the grid in the middle and a ruler of 100 mm to check the printer."""
    width, height = (round(side * dots_per_mm) for side in PAGE_MM)
    page = np.full((height, width), 255, np.uint8)
    size = [n * MARKER_MM + (n - 1) * GAP_MM for n in (COLUMNS, ROWS)]
    grid = board().generateImage((round(size[0] * dots_per_mm), round(size[1] * dots_per_mm)))
    top = round((PAGE_MM[1] - size[1]) / 2 * dots_per_mm)
    left = round((PAGE_MM[0] - size[0]) / 2 * dots_per_mm)
    page[top : top + grid.shape[0], left : left + grid.shape[1]] = grid
    _draw_ruler(page, dots_per_mm)
    return page


def _draw_ruler(page: Image, dots_per_mm: float) -> None:
    y = round((PAGE_MM[1] - 12) * dots_per_mm)
    start = round((PAGE_MM[0] - _RULER_MM) / 2 * dots_per_mm)
    for at in range(_RULER_MM + 1):
        x = start + round(at * dots_per_mm)
        length = 5 if at % 10 == 0 else 2
        cv2.line(page, (x, y), (x, y - round(length * dots_per_mm)), 0, max(1, round(0.2 * dots_per_mm)))
    text = f"{_RULER_MM} mm - print at 100 %, not 'fit to page', and check with a ruler"
    scale = dots_per_mm / 12
    cv2.putText(
        page, text, (start, y + round(6 * dots_per_mm)), cv2.FONT_HERSHEY_SIMPLEX, scale, 0, max(1, round(scale * 2))
    )


def write_sheet(path: Path) -> None:
    """Write the page as a PDF of its true size.

    Raises:
        SetupError: Pillow is not installed.
        CalibrationError: the file can't be written.
    """
    try:
        from PIL import Image as Picture
    except ImportError:
        raise SetupError("writing the sheet needs pillow: pip install 'edge-sorter[edge]'") from None
    try:
        Picture.fromarray(draw_sheet()).save(path, "PDF", resolution=_DPI, title="edge-sorter scale sheet")
    except OSError as error:
        raise CalibrationError(f"{path}: can't be written: {error.strerror or error}") from None
