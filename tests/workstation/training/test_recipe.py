"""A recipe made from another one: its sources chosen and changed, its tables merged, nothing written twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.errors import ConfigError
from training.recipe import load_recipe
from training.rendering.renderer import read_sets

BASE = """
name = "all"
labels = ["disc", "square"]
[[train]]
list = "board/train.txt"
[[train]]
tree = "yard"
trusted = false
[[validation]]
list = "board/val.txt"
[fit]
batch = 8
cycles = [4]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "all.toml").write_text(BASE)
    return tmp_path


def derived(folder: Path, text: str) -> str:
    (folder / "some.toml").write_text(f'base = "all.toml"\nname = "some"\n{text}')
    return str(folder / "some.toml")


def test_what_a_recipe_does_not_say_is_as_in_its_base(folder: Path) -> None:
    base, made = (
        load_recipe(str(folder / "all.toml")),
        load_recipe(derived(folder, "seed = 9\n[fit]\ncycles = [1, 1]")),
    )
    assert (made.name, made.seed, made.fit.cycles, made.fit.batch) == ("some", 9, (1, 1), 8)
    assert made.model_copy(update={"name": "all", "seed": base.seed, "fit": base.fit}) == base


def test_of_the_sources_of_its_base_some_are_kept_and_changed(folder: Path) -> None:
    made = load_recipe(derived(folder, 'only = ["yard"]\n[change.yard]\nlicence = "MIT"\nweight = 2.0'))
    (yard,) = made.train
    assert (yard.name, yard.licence, yard.weight, yard.trusted) == ("yard", "MIT", 2.0, False)


def test_a_table_of_the_base_can_be_left(folder: Path) -> None:
    made = load_recipe(derived(folder, 'leave = ["fit"]'))
    assert (made.fit.batch, made.name) == (64, "some")


def test_a_derived_recipe_may_be_a_base(folder: Path) -> None:
    derived(folder, 'only = ["yard"]')
    (folder / "least.toml").write_text('base = "some.toml"\nname = "least"\n[views]\nstrength = 0.0')
    made = load_recipe(str(folder / "least.toml"))
    assert (made.name, made.views.strength, len(made.train)) == ("least", 0.0, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('only = ["attic"]', "only = attic: expected a source of all.toml: board, yard"),
        ("[change.attic]\nweight = 2.0", "change = attic: expected a source of all.toml: board, yard"),
        ("[change.yard]\nweight = -1", "weight = -1"),
        ("only = 3", "only = 3"),
        ('leave = ["teacher"]', "leave = teacher: all.toml has none; it has name, labels"),
        ('only = ["yard"]\n[[train]]\ntree = "shed"', "take out .*train.*, or these"),
        ("[fitt]\nbatch = 2", "fitt"),
    ],
)
def test_what_does_not_fit_the_base_is_refused_by_name(folder: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_recipe(derived(folder, text))


@pytest.mark.parametrize(
    ("base", "message"), [("some.toml", "based on itself"), ("none.toml", "no such recipe; expected one of waste")]
)
def test_a_base_that_cannot_be_is_refused(folder: Path, base: str, message: str) -> None:
    (folder / "some.toml").write_text(f'base = "{base}"\nname = "some"')
    with pytest.raises(ConfigError, match=message):
        load_recipe(str(folder / "some.toml"))


def test_photos_are_left_out_by_patterns_of_their_names(folder: Path, tiny_data: Path) -> None:
    recipe = load_recipe(derived(folder, '[change.board]\nwithout = ["disc/*", "square/square[0-5].jpg"]'))
    found = read_sets(recipe.train[:1], tiny_data, recipe, every_label=False)
    assert [photo.name for photo in found.photos] == ["square/square6.jpg", "square/square7.jpg"]


def test_the_permissive_recipe_states_a_permissive_licence_for_each_source_and_keeps_all_else() -> None:
    shipped, permissive = load_recipe("waste"), load_recipe("waste-permissive")
    assert all(photos.licence.startswith(("MIT", "CC BY 4.0")) for photos in permissive.train)
    assert not any("none stated" in photos.licence or "SA" in photos.licence for photos in permissive.train)
    same = {"name": "waste", "train": shipped.train, "backgrounds": shipped.backgrounds}
    assert permissive.model_copy(update=same) == shipped
