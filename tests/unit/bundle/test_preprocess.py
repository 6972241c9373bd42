"""The one crop function: geometry, edges, exactness."""

from __future__ import annotations

import hashlib
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.bundle.preprocess import InputGeometry, prepare_crop
from edge.types import Box


def gradient(height: int, width: int) -> np.ndarray:
    rows, columns = np.mgrid[0:height, 0:width]
    return np.stack([rows % 256, columns % 256, (rows + columns) % 256], axis=-1).astype(np.uint8)


def test_a_box_of_the_input_size_is_cut_out_untouched() -> None:
    pixels = gradient(200, 300)
    crop = prepare_crop(pixels, Box(50, 20, 64, 64), InputGeometry(height=64, width=64, margin=0.0))
    np.testing.assert_array_equal(crop, pixels[20:84, 50:114])


def test_the_margin_is_a_fraction_of_the_larger_side_on_every_side() -> None:
    pixels = gradient(200, 300)
    crop = prepare_crop(pixels, Box(100, 60, 40, 20), InputGeometry(height=60, width=60, margin=0.25))
    np.testing.assert_array_equal(crop, pixels[40:100, 90:150])


def test_outside_the_image_its_edge_repeats() -> None:
    pixels = gradient(100, 100)
    crop = prepare_crop(pixels, Box(80, 40, 32, 32), InputGeometry(height=32, width=32, margin=0.0))
    np.testing.assert_array_equal(crop[:, :20], pixels[40:72, 80:])
    np.testing.assert_array_equal(crop[:, 20:], np.repeat(pixels[40:72, -1:], 12, axis=1))


def test_a_whole_photo_is_made_square_without_a_margin() -> None:
    pixels = gradient(32, 64)
    crop = prepare_crop(pixels, None, InputGeometry(height=64, width=64, margin=0.5))
    np.testing.assert_array_equal(crop[16:48], pixels)
    np.testing.assert_array_equal(crop[:16], np.repeat(pixels[:1], 16, axis=0))


def test_halving_takes_exact_means() -> None:
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[::2] = 200
    crop = prepare_crop(pixels, None, InputGeometry(height=16, width=16, margin=0.0))
    assert (crop == 100).all()


@pytest.mark.parametrize(
    ("pixels", "box"),
    [
        (np.zeros((10, 10), np.uint8), None),
        (np.zeros((10, 10, 4), np.uint8), None),
        (np.zeros((10, 10, 3), np.float32), None),
        (np.zeros((0, 10, 3), np.uint8), None),
        (np.zeros((10, 10, 3), np.uint8), Box(0, 0, 0, 5)),
        (np.zeros((10, 10, 3), np.uint8), Box(500, 500, 5, 5)),
    ],
)
def test_what_is_no_picture_or_lies_outside_is_refused(pixels: np.ndarray, box: Box | None) -> None:
    with pytest.raises(ValueError, match=r"expected|empty|outside"):
        prepare_crop(pixels, box, InputGeometry(height=32, width=32, margin=0.1))


@given(
    st.integers(-40, 119),
    st.integers(-40, 89),
    st.integers(1, 400),
    st.integers(1, 400),
    st.floats(0, 0.5),
    st.booleans(),
)
def test_any_box_that_touches_the_image_gives_a_full_crop(
    x: int, y: int, width: int, height: int, margin: float, constant: bool
) -> None:
    pixels = np.full((90, 120, 3), 37, np.uint8) if constant else gradient(90, 120)
    box = Box(x, y, width, height)
    if x + width <= 0 or y + height <= 0:
        return
    before = pixels.copy()
    crop = prepare_crop(pixels, box, InputGeometry(height=32, width=32, margin=margin))
    assert crop.shape == (32, 32, 3)
    assert crop.dtype == np.uint8
    assert crop.flags.c_contiguous
    assert (pixels == before).all()
    assert not constant or (crop == 37).all()


def bilinear(pixels: np.ndarray, side: int) -> np.ndarray:
    """Bilinear in whole numbers alone: weights of 1/256, rounded once at the end."""
    for axis in (1, 0):
        count = pixels.shape[axis]
        at = [Fraction((2 * i + 1) * count, 2 * side) - Fraction(1, 2) for i in range(side)]
        held = [min(max(place, Fraction(0)), Fraction(count - 1)) for place in at]
        left = np.array([min(int(place), count - 2) for place in held])
        weight = np.array([round((place - int(i)) * 256) for place, i in zip(held, left, strict=True)])
        weight = weight.reshape((-1, 1) if axis == 1 else (-1, 1, 1))
        whole = pixels.astype(np.int64)
        pixels = np.take(whole, left, axis) * (256 - weight) + np.take(whole, left + 1, axis) * weight
    return ((pixels + 32768) >> 16).astype(np.uint8)


@given(st.integers(2, 63), st.integers(0, 2**32 - 1))
def test_the_resize_is_arithmetic_in_whole_numbers_so_that_no_processor_rounds_it_its_own_way(
    side: int, seed: int
) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    crop = prepare_crop(pixels, None, InputGeometry(height=32, width=32, margin=0.0))
    np.testing.assert_array_equal(crop, bilinear(pixels, 32))


def test_every_machine_and_every_opencv_gives_the_same_pixels() -> None:
    random = np.random.default_rng(3)
    pixels = random.integers(0, 256, (480, 640, 3), dtype=np.uint8)
    geometry = InputGeometry(height=224, width=224, margin=0.08)
    crops = [prepare_crop(pixels, box, geometry) for box in (None, Box(300, 100, 420, 77), Box(10, 20, 90, 130))]
    digest = hashlib.sha256(b"".join(crop.tobytes() for crop in crops)).hexdigest()
    assert digest == "490d7a72df9d8f934e8bc097372976cf0eef78b4d9c8172f89b19c8acbf2e603"
