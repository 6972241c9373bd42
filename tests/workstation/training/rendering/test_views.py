"""Cut-outs and views: the object stays, everything around it changes, and every draw can be repeated."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from support.paths import ROOT

from edge.bundle.photo import load_photo
from edge.bundle.preprocess import InputGeometry, prepare_crop
from edge.simulate.render.cutout import border_contact, cut_out
from training.dataset.photos import LabelledPhoto
from training.rendering.cutouts import cut_all
from training.rendering.pool import Source, ViewPlan, ViewRenderer, plan_views
from training.rendering.views import Surroundings, ViewSettings, make_view

GEOMETRY = InputGeometry(height=64, width=64, margin=0.1)
SHIPPED = ROOT / "edge" / "simulate" / "photos"


def board_with_disc(shadow: bool) -> np.ndarray:
    photo = np.full((150, 200, 3), 214, np.float32)
    photo -= np.linspace(0, 25, 200)[None, :, None]  # uneven light
    if shadow:
        dark = np.zeros((150, 200), np.float32)
        cv2.circle(dark, (118, 88), 34, 1.0, -1)
        photo *= 1 - 0.25 * cv2.GaussianBlur(dark, (0, 0), 6)[..., None]
    cv2.circle(photo, (100, 75), 32, (180.0, 40.0, 30.0), -1)
    return np.clip(photo + np.random.default_rng(0).normal(0, 1.5, photo.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("shadow", [False, True])
def test_the_mask_is_the_object_without_its_shadow(shadow: bool) -> None:
    mask = cut_out(board_with_disc(shadow))
    assert mask is not None
    truth = np.zeros((150, 200), np.uint8)
    cv2.circle(truth, (100, 75), 32, 1, -1)
    found = mask > 127
    overlap = np.sum(found & (truth > 0)) / np.sum(found | (truth > 0))
    assert overlap > 0.85


def test_an_empty_board_has_no_object() -> None:
    board = np.full((150, 200, 3), 214, np.float32) + np.random.default_rng(0).normal(0, 1.5, (150, 200, 3))
    assert cut_out(np.clip(board, 0, 255).astype(np.uint8)) is None


def test_every_shipped_photo_is_cut_whole() -> None:
    for path in sorted(SHIPPED.glob("*/*.jpg"))[::6]:
        mask = cut_out(load_photo(path))
        assert mask is not None, path.name
        assert border_contact(mask) < 0.03, path.name


def renderer(settings: ViewSettings) -> ViewRenderer:
    photo = board_with_disc(shadow=False)
    mask = cut_out(photo)
    return ViewRenderer([Source(photo, mask, 0)], Surroundings([]), GEOMETRY, settings)


def test_a_plain_view_is_what_the_device_would_see() -> None:
    made = renderer(ViewSettings(composite_share=0.0, plain_share=1.0)).view(ViewPlan(np.array([0]), 1), 0)
    np.testing.assert_array_equal(made, prepare_crop(board_with_disc(shadow=False), None, GEOMETRY))


def test_a_view_depends_on_seed_and_number_only() -> None:
    rendered, plan = renderer(ViewSettings()), ViewPlan(np.zeros(6, int), 4)
    alone = rendered.view(plan, 5)
    for index in range(5):
        rendered.view(plan, index)
    np.testing.assert_array_equal(rendered.view(plan, 5), alone)
    assert not np.array_equal(rendered.view(plan, 4), alone)


def test_composites_keep_the_object_and_lose_the_board() -> None:
    rendered, plan = (
        renderer(ViewSettings(composite_share=1.0, plain_share=0.0, strength=0.0)),
        ViewPlan(np.zeros(40, int), 2),
    )
    views = [rendered.view(plan, index).astype(int) for index in range(40)]
    red = [np.mean((view[..., 0] > 1.8 * view[..., 1]) & (view[..., 0] > 60)) for view in views]
    board = [np.mean(np.abs(view - 205).max(axis=2) < 15) for view in views]
    assert np.median(red) > 0.15
    assert np.median(board) < 0.05


def test_rounds_hold_each_photo_as_often_as_planned() -> None:
    plan = plan_views(np.array([0, 1, 1]), [1.0, 0.5, 2.0], rounds=400, nothing=0.3, seed=3)
    counts = np.bincount(plan.sources + 1, minlength=4)
    assert counts[1] == 400
    assert counts[3] == 800
    assert 150 < counts[2] < 250
    assert 0.2 < counts[0] / counts[1:].sum() < 0.35


def test_a_photo_is_the_same_source_in_memory_and_on_the_disk(tmp_path: Path) -> None:
    photo = board_with_disc(shadow=False)
    mask = cut_out(photo)
    assert mask is not None
    cv2.imwrite(str(tmp_path / "disc.png"), photo[..., ::-1])
    packed = cv2.imencode(".png", mask)[1].tobytes()
    for kept, read in zip(Source(tmp_path / "disc.png", packed, 0).load(), (photo, mask), strict=True):
        np.testing.assert_array_equal(kept, read)


def test_of_photos_that_were_cut_none_is_cut_again(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "disc.png"), board_with_disc(shadow=False)[..., ::-1])
    photos = [LabelledPhoto(tmp_path / "disc.png", "disc", "disc.png")]
    made = cut_all(photos, tmp_path / "masks", processes=1)
    assert list(made) == [tmp_path / "disc.png"]
    (tmp_path / "disc.png").unlink()
    assert cut_all(photos, tmp_path / "masks") == made


def test_a_view_of_an_object_has_the_networks_shape() -> None:
    rng = np.random.default_rng(0)
    view = make_view(board_with_disc(shadow=True), None, GEOMETRY, Surroundings([]), rng)
    assert (view.shape, view.dtype) == ((64, 64, 3), np.uint8)
