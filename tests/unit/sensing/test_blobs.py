"""Parts of one thing are one, however they lie to one another; things further apart are several."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.sensing.background import Difference
from edge.sensing.blobs import GROWN, find_blobs

SIDE, GAP = 12, 4.0


def two_squares(right: int, down: int) -> Difference:
    """Two squares of SIDE small pixels, the second one moved by so much from the first."""
    extent = np.zeros((80, 80), np.uint8)
    for x, y in ((30, 30), (30 + right, 30 + down)):
        extent[y : y + SIDE, x : x + SIDE] = 255
    return Difference(extent, extent, (80, 80))


@pytest.mark.parametrize(("right", "down"), [(1, 0), (0, 1), (1, 1), (1, -1), (-1, 1), (-1, -1)])
def test_parts_nearer_than_the_gap_are_one_side_by_side_and_corner_to_corner(right: int, down: int) -> None:
    near, far = SIDE + 3, SIDE + 6
    (blob,) = find_blobs(two_squares(near * right, near * down), 20.0, GAP, apart=False)
    assert blob.right - blob.left == pytest.approx(SIDE + near * abs(right) - 2 * GROWN)
    assert blob.bottom - blob.top == pytest.approx(SIDE + near * abs(down) - 2 * GROWN)
    assert len(find_blobs(two_squares(far * right, far * down), 20.0, GAP, apart=False)) == 2


@given(st.integers(-26, 26), st.integers(-26, 26))
def test_no_pixel_is_lost_or_told_twice(right: int, down: int) -> None:
    difference = two_squares(right, down)
    blobs = find_blobs(difference, 20.0, 0.0, apart=False)
    assert math.isclose(sum(blob.area for blob in blobs), np.count_nonzero(difference.extent), abs_tol=8)
