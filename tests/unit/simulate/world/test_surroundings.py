"""What the light and the lens of a place do to a simulated picture."""

from __future__ import annotations

import numpy as np

from edge.simulate.world.surroundings import Surroundings


def edge_picture() -> np.ndarray:
    """Dark on the left, light on the right; (24, 40, 3)."""
    picture = np.full((24, 40, 3), 60, np.uint8)
    picture[:, 20:] = 200
    return picture


def test_a_tone_curve_darkens_dark_tones_more_than_light_ones_and_leaves_black_and_white() -> None:
    picture = edge_picture()
    picture[0, :2] = [[0, 0, 0], [255, 255, 255]]
    Surroundings(gamma=1.5).colour(picture, None)
    dark, light = int(picture[5, 5, 0]), int(picture[5, 35, 0])
    assert dark / 60 < light / 200 < 1
    assert picture[0, :2].tolist() == [[0, 0, 0], [255, 255, 255]]


def test_a_lens_out_of_focus_softens_edges_and_keeps_what_is_plain() -> None:
    seen = Surroundings(defocus_px=1.2).look(edge_picture())
    assert 60 < int(seen[12, 19, 0]) < int(seen[12, 20, 0]) < 200
    assert seen[12, 2].tolist() == [60, 60, 60]
    assert seen[12, 37].tolist() == [200, 200, 200]


def test_warm_lamps_colour_a_picture_only_if_the_white_balance_does_not_follow_them() -> None:
    place = Surroundings(tint=(1.2, 0.5))
    followed, fixed = edge_picture(), edge_picture()
    place.colour(followed, None)
    place.colour(fixed, (1.0, 1.0))
    assert followed.tolist() == edge_picture().tolist()
    assert fixed[5, 5].tolist() == [72, 60, 30]
