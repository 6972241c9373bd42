"""A view of an item is all that any model is shown of it, and keeps nothing else alive."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge.bundle.geometry import LARGEST_MARGIN, InputGeometry
from edge.bundle.preprocess import prepare_crop
from edge.clock import NS_PER_S
from edge.sensing.crops import cut_crop, keep_best, take_crop
from edge.types import Box, Crop, Frame

PICTURE = np.random.default_rng(7).integers(0, 256, (480, 640, 3), dtype=np.uint8)
WHOLE = Box(0, 0, 640, 480)


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    x, y = draw(st.integers(0, 639)), draw(st.integers(0, 479))
    return Box(x, y, draw(st.integers(1, 640 - x)), draw(st.integers(1, 480 - y)))


@given(boxes(), st.sampled_from([0.0, 0.05, 0.15, 0.3, LARGEST_MARGIN]), st.sampled_from([32, 96, 224]))
def test_the_network_is_shown_the_same_of_a_cut_view_as_of_the_whole_frame(box: Box, margin: float, size: int) -> None:
    geometry = InputGeometry(height=size, width=size, margin=margin)
    crop = cut_crop(Crop(PICTURE, box, 0, 1.0, 1.0))
    assert np.array_equal(prepare_crop(crop.pixels, crop.box, geometry), prepare_crop(PICTURE, box, geometry))


@given(boxes())
def test_a_cut_view_knows_where_in_the_frame_it_was(box: Box) -> None:
    crop = cut_crop(Crop(PICTURE, box, 0, 1.0, 1.0))
    assert crop.in_frame == box
    assert cut_crop(crop).in_frame == box


def test_views_that_are_kept_hold_no_frame_and_the_others_are_not_copied() -> None:
    frame = Frame(PICTURE, NS_PER_S, 1)
    crops: list[Crop] = []
    for x in (0, 270, 100, 500):
        crops = keep_best(crops, take_crop(frame, Box(x, 190, 100, 100), WHOLE), 2)
    assert [crop.in_frame.x for crop in crops] == [270, 100]
    assert not any(np.shares_memory(crop.pixels, PICTURE) for crop in crops)
    worse = take_crop(frame, Box(0, 0, 100, 100), WHOLE)
    assert keep_best(crops, worse, 2) is crops
