"""Photos have sources: one can be left out, one can be doubted, and figures are given by source."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edge.errors import ConfigError
from training.dataset.photos import LabelledPhoto
from training.fitting.label_noise import Judged, judge, out_of_fold, soften
from training.fitting.prepare import Check, Pools
from training.fitting.train import weigh
from training.recipe import SHIPPED, LabelNoise, PhotoSet, load_recipe, without_source
from training.rendering.pool import Pool
from training.rendering.renderer import TrainingSet
from training.run_folder import Run

TRUSTED, DOUBTED = PhotoSet(tree="board"), PhotoSet(tree="web", trusted=False)


def training_set(labels: np.ndarray, sets: list[PhotoSet]) -> TrainingSet:
    photos = tuple(LabelledPhoto(Path(f"{n}.jpg"), str(label), f"{n}.jpg") for n, label in enumerate(labels))
    return TrainingSet(photos, labels, np.ones(len(labels)), tuple(sets))


def two_heaps(wrong: slice) -> tuple[np.ndarray, np.ndarray]:
    """Features of two heaps far apart with their labels 0 and 1, those of `wrong` exchanged."""
    rng = np.random.default_rng(0)
    truth = np.arange(200) % 2
    features = rng.normal(0, 0.3, (200, 4)) + truth[:, None] * 4.0
    labels = truth.copy()
    labels[wrong] = 1 - labels[wrong]
    return features, labels


def test_a_source_is_named_by_its_folder_unless_it_has_a_name_of_its_own() -> None:
    assert PhotoSet(tree="more/shop").name == "shop"
    assert PhotoSet(list="board/train.txt").name == "board"
    assert PhotoSet(list="board/train.txt", source="white board").name == "white board"


def test_objects_are_cut_off_boards_and_where_the_recipe_says_so() -> None:
    assert PhotoSet(list="board/train.txt").cuts("glass")
    assert not PhotoSet(tree="web").cuts("glass")
    some = PhotoSet(tree="web", cut=("metal",))
    assert (some.cuts("metal"), some.cuts("glass")) == (True, False)


def test_a_source_left_out_is_measured_on_and_no_longer_trained_on(tiny_data: Path, tmp_path: Path) -> None:
    written = (tiny_data / "tiny.toml").read_text()
    (tmp_path / "two.toml").write_text(written + '[[train]]\ntree = "more/shop"\n')
    left = without_source(load_recipe(str(tmp_path / "two.toml")), "shop")
    assert [photos.name for photos in left.train] == ["board"]
    assert [photos.name for photos in left.left_out] == ["yard", "shop"]


def test_a_source_that_the_recipe_does_not_have_is_refused(tiny_data: Path) -> None:
    with pytest.raises(ConfigError, match="--leave-out attic: expected a source of the recipe: board"):
        without_source(load_recipe(str(tiny_data / "tiny.toml")), "attic")


@pytest.mark.parametrize("recipe", sorted(file.stem for file in SHIPPED.glob("*.toml")))
def test_no_shipped_recipe_trains_on_what_it_measures_or_on_what_is_never_trained_on(recipe: str) -> None:
    loaded = load_recipe(recipe)
    trained = {photos.tree or photos.list for photos in loaded.train}
    assert not trained & {photos.tree or photos.list for photos in (*loaded.validation, *loaded.left_out)}
    assert not trained & {"webwaste", "litter"}


def test_wrong_labels_of_a_doubted_source_are_found_and_those_of_a_trusted_one_kept() -> None:
    features, labels = two_heaps(wrong=slice(0, 12))
    doubted = training_set(labels, [DOUBTED] * 200)
    kept = judge(features, doubted, LabelNoise(least=0.2), 2, seed=1).kept
    assert not kept[:12].any()
    assert kept[12:].all()
    trusted = training_set(labels, [TRUSTED] * 200)
    assert judge(features, trusted, LabelNoise(least=0.2), 2, seed=1).kept.all()


def test_a_photos_own_label_says_nothing_about_its_answer() -> None:
    features, labels = two_heaps(wrong=slice(0, 0))
    before = out_of_fold(features, labels, 2, seed=1)
    labels[7] = 1 - labels[7]
    after = out_of_fold(features, labels, 2, seed=1)
    np.testing.assert_allclose(after[7], before[7], atol=0.02)


def test_only_targets_of_doubted_photos_are_softened() -> None:
    training = training_set(np.array([0, 1, -1]), [DOUBTED, TRUSTED, DOUBTED])
    answers = np.array([[0.5, 0.5], [0.5, 0.5], [0.9, 0.1]])
    targets = np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5], [0.5, 0.5]], np.float32)
    made = soften(targets, np.array([0, 1, 2, -1]), training, Judged(answers, np.ones(3, bool)), 0.4)
    np.testing.assert_allclose(made, [[0.8, 0.2], [0, 1], [0.5, 0.5], [0.5, 0.5]], atol=1e-6)


def test_views_weigh_by_their_source_and_those_of_wrong_labels_nothing() -> None:
    heavy = PhotoSet(tree="board", weight=3.0)
    training = training_set(np.array([0, 1, 0]), [heavy, DOUBTED, DOUBTED])
    photos = np.array([0, 1, 1, 2, -1])
    pools = Pools(
        Pool(*(np.zeros((5, 1)),) * 3),
        np.array([0, 1, 1, 0, -1]),
        {},
        photos,
        training,
        Judged(np.full((3, 2), 0.5), np.array([True, True, False])),
    )
    np.testing.assert_allclose(weigh(pools, 2), [3.0, 1.0, 1.0, 0.0, 0.5])


def test_a_run_from_before_sources_were_kept_can_still_be_converted(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"format": 1, "recipe": {}}')
    assert Run(tmp_path).read()["sources"] == []


def test_the_recipe_of_a_run_from_when_there_were_hints_is_read_if_it_had_none(tiny_data: Path, tmp_path: Path) -> None:
    recipe = load_recipe(str(tiny_data / "tiny.toml"))
    old = {**recipe.model_dump(mode="json"), "hints": None}
    (tmp_path / "run.json").write_text(json.dumps({"format": 1, "recipe": old}))
    assert Run(tmp_path).recipe() == recipe
    (tmp_path / "run.json").write_text(json.dumps({"format": 1, "recipe": {**old, "hints": {"strength": 0.4}}}))
    with pytest.raises(ConfigError, match="of another version"):
        Run(tmp_path).recipe()


def test_labels_that_a_source_does_not_tell_apart_count_as_one() -> None:
    scores = np.eye(3)[[0, 2, 1, 0]]
    labels = np.array([2, 2, 1, -1])
    pool = Pool(*(np.zeros((4, 1)),) * 3)
    assert Check(pool, labels).top1(scores) == pytest.approx(2 / 3)
    assert Check(pool, labels, counts_as=np.array([2, 1, 2])).top1(scores) == 1.0
