"""Belts, wear and cheap cameras: each has a switch of its own, and does what it says to the picture."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edge.bundle.preprocess import InputGeometry
from training.recipe import Views
from training.rendering.belts import draw_belt
from training.rendering.cameras import cheapen, move, recede
from training.rendering.pool import Source, ViewPlan, ViewRenderer
from training.rendering.views import Surroundings, ViewSettings
from training.rendering.wear import crush, soil

SWITCHES = [name for name in Views.model_fields if name.endswith("_share") and getattr(Views(), name) == 0]


def board_with_disc() -> tuple[np.ndarray, np.ndarray]:
    """A red disc on a grey board, and its mask."""
    photo, mask = np.full((150, 200, 3), 200, np.uint8), np.zeros((150, 200), np.uint8)
    cv2.circle(photo, (100, 75), 40, (180, 40, 30), -1)
    cv2.circle(mask, (100, 75), 40, 255, -1)
    return photo, mask


def view(settings: ViewSettings, number: int) -> np.ndarray:
    photo, mask = board_with_disc()
    geometry = InputGeometry(height=96, width=96, margin=0.15)
    return ViewRenderer([Source(photo, mask, 0)], Surroundings([]), geometry, settings).view(
        ViewPlan(np.zeros(20, int), 3), number
    )


def detail(picture: np.ndarray) -> float:
    return float(np.abs(np.diff(picture.astype(float), axis=1)).mean())


def noise(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (128, 128, 3), dtype=np.uint8)


def test_there_is_a_switch_for_each_of_the_seven() -> None:
    assert len(SWITCHES) == 7
    assert ViewSettings(**Views().model_dump()) == ViewSettings(**Views(belt_share=0.0).model_dump())


@pytest.mark.parametrize("switch", SWITCHES)
def test_a_switch_changes_what_it_is_for_and_every_draw_can_be_repeated(switch: str) -> None:
    plain = {"composite_share": 1.0, "plain_share": 0.0}
    changed = ViewSettings(**plain, **{switch: 1.0})
    assert any(not np.array_equal(view(changed, n), view(ViewSettings(**plain), n)) for n in range(4))
    np.testing.assert_array_equal(view(changed, 2), view(changed, 2))


def test_belts_are_dark_blue_green_and_bright() -> None:
    colours = np.array([draw_belt(np.random.default_rng(seed), 64).mean(axis=(0, 1)) for seed in range(80)])
    red, green, blue = colours.T
    assert (colours.max(axis=1) < 70).sum() >= 5
    assert (blue > 1.4 * red).sum() >= 10
    assert ((green > 1.4 * red) & (green > blue)).sum() >= 5
    assert (red > 1.3 * blue).sum() >= 5  # wood
    assert (colours.min(axis=1) > 120).sum() >= 5


def test_a_crushed_thing_keeps_its_outline_and_its_colour() -> None:
    photo, mask = board_with_disc()
    bent, outline = crush(photo, mask, np.random.default_rng(1))
    assert outline is not None
    red = (bent[..., 0] > 1.8 * bent[..., 1].astype(int)) & (bent[..., 0] > 60)
    assert np.mean(red == (outline > 127)) > 0.97
    assert np.mean((outline > 127) != (mask > 127)) > 0.01


def test_dirt_covers_a_part_and_dust_takes_colour_away() -> None:
    photo, _ = board_with_disc()
    changed = [soil(cv2.resize(photo, (96, 96)), np.random.default_rng(seed)).astype(int) for seed in range(12)]
    spread = [np.ptp(picture, axis=2).mean() for picture in changed]
    assert np.median(spread) < np.ptp(cv2.resize(photo, (96, 96)).astype(int), axis=2).mean()
    assert all(picture.std() > 8 for picture in changed)  # the thing is still there


def test_motion_blurs_along_a_line_and_keeps_the_light() -> None:
    made = [move(noise(), np.random.default_rng(seed)) for seed in range(8)]
    for picture in made:
        assert picture.mean() == pytest.approx(noise().mean(), abs=2)
        assert detail(picture) < detail(noise())


def test_a_distant_thing_has_fewer_pixels_and_the_same_size() -> None:
    large = cv2.resize(noise(), (224, 224), interpolation=cv2.INTER_NEAREST)
    made = recede(large, np.random.default_rng(0), 0.15)
    assert made.shape == large.shape
    assert detail(made) < 0.7 * detail(large)


def test_a_cheap_camera_darkens_the_rim_and_tints() -> None:
    grey = np.full((128, 128, 3), 140, np.uint8)
    made = [cheapen(grey, np.random.default_rng(seed)).astype(float) for seed in range(30)]
    corners = [np.mean([p[:12, :12], p[:12, -12:], p[-12:, :12], p[-12:, -12:]]) for p in made]
    middles = [p[40:88, 40:88].mean() for p in made]
    assert np.mean(np.array(middles) - np.array(corners)) > 5
    assert np.median([np.ptp(p.mean(axis=(0, 1))) for p in made]) > 8
