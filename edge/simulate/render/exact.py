"""Arithmetic that gives the same bits on every processor, so that one seed gives the same pictures everywhere.

The last bit of exp, log, sin and pow is the library's choice, and where one processor rounds a product before it is added
another one does not (fused multiply-add): of NumPy, OpenCV and libm none promises more. So what they give is rounded to a
grid on which all that follows is exact, far coarser than a last bit and far finer than a grey level.
"""

from __future__ import annotations

from itertools import groupby
from math import sin, tau
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

Exact = NDArray[np.float64]

GRAIN: Final = 1 << 20
"""Values are whole multiples of 1 / GRAIN. Times a kernel of the same grain they stay below 2**53: no sum is rounded."""
_DIGITS: Final = 12
_ROWS: Final = 64  # of a picture at a time, so that what stands between whole bytes stays small


def settled(value: float) -> float:
    """Return a result of libm without the digits in which processors differ."""
    return round(float(value), _DIGITS)


def sine(turns: float) -> float:
    """Return the sine of an angle in whole turns."""
    return settled(sin(tau * turns))


def uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Return what `rng.uniform` returns where a product is rounded before it is added."""
    return float(low + (high - low) * rng.random())


def exponential(rng: np.random.Generator, mean: float) -> float:
    """Return an exponentially distributed number, a multiple of 1 / GRAIN."""
    return round(float(rng.exponential(mean)) * GRAIN) / GRAIN


def blurred(picture: NDArray[Any], sigma_x: float, sigma_y: float) -> Exact:
    """Blur a picture (height, width) of values up to 255 as `cv2.GaussianBlur` does; multiples of 1 / GRAIN."""
    values = np.rint(picture.astype(np.float64) * GRAIN)
    one = np.ones(1)
    for sigma, across in ((sigma_x, False), (sigma_y, True)):
        kernel = np.rint(cv2.getGaussianKernel(round(8 * sigma + 1) | 1, sigma, cv2.CV_64F) * GRAIN)
        kernels = (one, kernel) if across else (kernel, one)
        values = np.rint(cv2.sepFilter2D(values, cv2.CV_64F, *kernels) / kernel.sum())
    return np.asarray(values / GRAIN, np.float64)


def on_grain(values: NDArray[Any]) -> Exact:
    """Round values to multiples of 1 / GRAIN."""
    return np.asarray(np.rint(values * GRAIN) / GRAIN, np.float64)


def slid(layer: Exact, by_px: list[float], outside: float) -> Exact:
    """Move each row of a layer (height, width, channels) along by as many pixels as its entry says, to 1 / 32 pixel.

    What comes in from beyond the edge is `outside`. The layer must hold multiples of 1 / GRAIN, and so does the result, of
    1 / 32 of it.
    """
    steps = [round(32 * by) for by in by_px]
    most = max(abs(step) for step in steps) // 32 + 2
    wide = cv2.copyMakeBorder(layer, 0, 0, most, most, cv2.BORDER_CONSTANT, value=(outside,) * 4).reshape(
        len(layer), -1, layer.shape[2]
    )
    result = np.empty_like(layer)
    row = 0
    for step, same in groupby(steps):
        rows = slice(row, row := row + len(list(same)))
        whole, part = divmod(step, 32)
        near, far = (wide[rows, begin : begin + layer.shape[1]] for begin in (most - whole, most - whole - 1))
        result[rows] = near if part == 0 else (near * (32 - part) + far * part) / 32
    return result


def smeared(picture: NDArray[Any], blur_px: float) -> NDArray[Any]:
    """Blur a picture of any type along its rows by an exposure during which it moved `blur_px` pixels."""
    if blur_px < 0.25:
        return picture
    taps = 2 * int(np.ceil(blur_px / 2)) + 1
    kernel = np.zeros(taps, np.float64)
    for n in range(taps):  # the overlap of each pixel with the window of blur_px about the middle
        left, right = n - taps / 2, n - taps / 2 + 1
        kernel[n] = round(64 * max(0.0, min(right, blur_px / 2) - max(left, -blur_px / 2)))
    result = np.empty_like(picture)
    for row in range(0, len(picture), _ROWS):
        part = picture[row : row + _ROWS].astype(np.float64)
        summed = cv2.sepFilter2D(part, cv2.CV_64F, kernel, np.ones(1), borderType=cv2.BORDER_REPLICATE) / kernel.sum()
        result[row : row + _ROWS] = (np.rint(summed) if picture.dtype == np.uint8 else summed).reshape(part.shape)
    return result


def multiply(picture: NDArray[np.uint8], by: NDArray[np.uint8], scale: float) -> None:
    """Multiply a picture with another one and a number, in place; `cv2.multiply` cuts the fraction off on aarch64."""
    for row in range(0, len(picture), _ROWS):
        rows = slice(row, row + _ROWS)
        product = cv2.multiply(picture[rows], by[rows], scale=scale, dtype=cv2.CV_32F)
        np.rint(product, out=product)
        picture[rows] = np.minimum(product, 255, out=product)


def resized(picture: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Bring a picture to a size (width, height): by the mean over each new pixel's area where it shrinks, else bilinear.

    `cv2.INTER_AREA` and `cv2.INTER_LINEAR` are rounded differently on aarch64.
    """
    height, width = picture.shape[:2]
    if size[0] > width or size[1] > height:
        return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR_EXACT), np.uint8)
    summed, tall = _areas(picture.astype(np.int64), size[1])
    summed, wide = _areas(np.swapaxes(summed, 0, 1), size[0])
    area = (wide[:, None] * tall).reshape(size[0], size[1], *[1] * (picture.ndim - 2))
    return np.ascontiguousarray(np.swapaxes(np.rint(summed / area), 0, 1), np.uint8)


def _areas(values: NDArray[np.int64], count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Sum values over `count` equal parts of the first axis, parts of a pixel in 1024ths; and the length of each part."""
    bounds = np.arange(count + 1) * 1024 * len(values) // count
    whole, part = bounds // 1024, (bounds % 1024).reshape(-1, *[1] * (values.ndim - 1))
    nothing = np.zeros_like(values[:1])
    before = np.concatenate([nothing, np.cumsum(values, axis=0)])
    return np.diff(before[whole] * 1024 + np.concatenate([values, nothing])[whole] * part, axis=0), np.diff(bounds)
