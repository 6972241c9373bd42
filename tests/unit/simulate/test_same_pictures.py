"""One seed draws the same pictures everywhere; tests/pi/processor holds the Pi's processor against this one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.older_processor import on_both
from support.paths import ROOT

from edge.simulate.render.exact import GRAIN, blurred, slid, smeared
from edge.simulate.render.warp import turn_about, warped


def test_the_newer_instructions_of_a_processor_draw_what_the_older_ones_do() -> None:
    newer, older = on_both([str(ROOT / "tests" / "support" / "drawn_world.py")])
    assert len(set(newer.values())) == len(newer)
    assert {name for name in newer if newer[name] != older[name]} == set()


@given(st.integers(0, 2**32 - 1), st.floats(0.6, 9.0))
def test_a_blur_keeps_the_light_and_lies_on_the_grain(seed: int, sigma: float) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (24, 31)).astype(np.float64)
    result = blurred(picture, sigma, sigma)
    assert np.array_equal(result * GRAIN, np.rint(result * GRAIN))
    assert blurred(np.full_like(picture, 77), sigma, sigma) == pytest.approx(77, abs=4 / GRAIN)


@pytest.mark.parametrize("step", [-3.0, 0.0, 2.0])
def test_a_layer_slides_by_whole_pixels_without_a_change(step: float) -> None:
    layer = np.random.default_rng(1).integers(0, 256, (5, 20, 3)).astype(np.float64)
    moved = slid(layer, [step] * 5, 255)
    expected = np.full_like(layer, 255)
    whole = int(step)
    expected[:, max(0, whole) : 20 + min(0, whole)] = layer[:, max(0, -whole) : 20 - max(0, whole)]
    assert np.array_equal(moved, expected)


def test_a_layer_slides_by_parts_of_a_pixel() -> None:
    layer = np.zeros((1, 4, 1))
    layer[0, 1, 0] = 64
    assert slid(layer, [0.25], 0).ravel().tolist() == [0, 48, 16, 0]


def test_a_smear_is_the_mean_over_what_passes() -> None:
    picture = np.zeros((2, 9, 3), np.uint8)
    picture[:, 4] = 200
    assert smeared(picture, 2.0)[0, :, 0].tolist() == [0, 0, 0, 50, 100, 50, 0, 0, 0]


def test_a_picture_that_is_turned_by_a_right_angle_keeps_its_pixels() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (21, 21, 3), np.uint8)
    assert np.array_equal(warped(picture, turn_about((10, 10), 90), (21, 21)), np.rot90(picture))


def test_a_view_aslant_takes_its_corners_where_the_matrix_says() -> None:
    picture = np.zeros((40, 50), np.uint8)
    picture[20:23, 10:13] = 255
    matrix = np.array([[1.0, 0.1, 5.0], [0.05, 1.2, -3.0], [0.001, 0.002, 1.0]])
    x, y, scale = matrix @ (11, 21, 1)
    down, across = np.argwhere(warped(picture, matrix, (60, 50)) > 127).mean(0)
    assert (across, down) == pytest.approx((x / scale, y / scale), abs=0.5)
