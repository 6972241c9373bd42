"""Pictures for people and for later training: none keeps a whole frame alive, and colours survive their encoding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.bundle.photo import load_photo
from edge.bundle.pictures import cut_out, encode_jpeg, encode_png, shrink, thumbnail
from edge.types import Box

PLACES, SIZES = st.integers(-50, 600), st.integers(0, 700)


@given(st.integers(1, 500), st.integers(1, 500), PLACES, PLACES, SIZES, SIZES, st.integers(0, 60))
def test_a_thumbnail_of_any_box_is_small_or_there_is_none(
    width: int, height: int, x: int, y: int, box_width: int, box_height: int, border: int
) -> None:
    cut = cut_out(np.zeros((height, width, 3), np.uint8), Box(x, y, box_width, box_height), border)
    if cut is not None:
        small = thumbnail(cut, 192)
        assert small.base is None  # a view would keep the whole frame
        assert 0 < min(small.shape[:2]) <= max(small.shape[:2]) <= 192


def test_what_lies_in_the_box_is_cut_out_and_so_is_its_border_as_far_as_there_is_one() -> None:
    pixels = np.arange(10 * 20 * 3, dtype=np.uint8).reshape(10, 20, 3)
    np.testing.assert_array_equal(cut_out(pixels, Box(4, 3, 5, 2)), pixels[3:5, 4:9])
    np.testing.assert_array_equal(cut_out(pixels, Box(4, 0, 5, 2), border=3), pixels[0:5, 1:12])
    assert cut_out(pixels, Box(20, 3, 5, 2)) is None


def test_a_picture_is_never_enlarged() -> None:
    pixels = np.zeros((10, 20, 3), np.uint8)
    assert thumbnail(pixels, 96) is pixels
    assert shrink(pixels, 0.5).shape == (5, 10, 3)


@pytest.mark.parametrize(("encode", "error"), [(encode_jpeg, 3), (encode_png, 0)])
def test_red_is_still_red_when_it_is_read_again(encode: object, error: int, tmp_path: Path) -> None:
    red = np.full((40, 60, 3), (200, 30, 20), np.uint8)
    path = tmp_path / "picture"
    path.write_bytes(encode(red))  # type: ignore[operator]
    assert np.abs(load_photo(path).astype(int) - red).max() <= error
