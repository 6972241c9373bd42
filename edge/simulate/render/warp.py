"""Pictures turned, moved and seen aslant, to the same grey level on every processor.

`cv2.warpAffine` and `cv2.warpPerspective` are not: OpenCV 5 on processors with and without AVX2, and 4.11 beside it, gave
three pictures that differed by up to 2 grey levels. `cv2.remap` by whole 32nds of a pixel was the same in all of them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
_Rows = tuple[tuple[float, ...], ...]

_PARTS: Final = cv2.INTER_TAB_SIZE  # of a pixel, 32
_DIGITS: Final = 9  # of a matrix; what comes after is the processor's


def turn_about(middle: tuple[float, float], degrees: float, scale: float = 1.0) -> Matrix:
    """Return the matrix (2, 3) that turns a picture about a point, against the clock."""
    return np.round(cv2.getRotationMatrix2D(middle, degrees, scale), _DIGITS)


def warped(
    picture: NDArray[np.uint8], matrix: Matrix, size: tuple[int, int], border: int = cv2.BORDER_CONSTANT
) -> NDArray[np.uint8]:
    """Move each point of a picture to where a matrix, (2, 3) or (3, 3), takes it; `size` is (width, height) of the result.

    `border` is OpenCV's; a constant one is black.
    """
    rows = tuple(tuple(round(float(value), _DIGITS) for value in row) for row in matrix)
    whole, part = _places(rows, size)
    return np.asarray(cv2.remap(picture, whole, part, cv2.INTER_LINEAR, borderMode=border), np.uint8)


@lru_cache(maxsize=4)
def _places(rows: _Rows, size: tuple[int, int]) -> tuple[NDArray[np.int16], NDArray[np.uint16]]:
    """Where each pixel of the result comes from: (height, width, 2) whole pixels, and the 32nds as OpenCV packs them."""
    a, b, c, d, e, f, g, h, i = _inverse(rows)
    x, y = np.arange(size[0], dtype=np.float64), np.arange(size[1], dtype=np.float64)[:, None]
    across, down = a * x + (b * y + c), d * x + (e * y + f)
    if (g, h) != (0.0, 0.0):
        away = g * x + (h * y + i)
        across, down = across / away, down / away
    places = [np.rint(place * _PARTS).astype(np.int32) for place in (across, down)]
    limit = np.iinfo(np.int16)
    whole = np.stack([np.clip(place >> cv2.INTER_BITS, limit.min, limit.max) for place in places], axis=2)
    part = (places[1] & _PARTS - 1) * _PARTS + (places[0] & _PARTS - 1)
    return whole.astype(np.int16), part.astype(np.uint16)


def _inverse(rows: _Rows) -> tuple[float, ...]:
    """The inverse of a matrix, row by row, its last entry 1 where the matrix is (2, 3)."""
    (a, b, c), (d, e, f), (g, h, i) = rows if len(rows) == 3 else (*rows, (0.0, 0.0, 1.0))
    whole = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    first = (e * i - f * h, c * h - b * i, b * f - c * e)
    second = (f * g - d * i, a * i - c * g, c * d - a * f)
    third = (d * h - e * g, b * g - a * h, a * e - b * d)
    return tuple(value / whole for value in (*first, *second, *third))
