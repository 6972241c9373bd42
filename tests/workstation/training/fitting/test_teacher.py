"""A teacher is trained first, once, and its answers to the student's own views make up a share of their targets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge.errors import ConfigError
from training.recipe import load_recipe, teacher_recipe
from training.run_folder import Run

TEACHER = """
[teacher]
rounds = 1
cycles = [1]
[teacher.network]
weights = "weights.npz"
size = 96
frozen_blocks = 13
"""


def recipe_with_teacher(tiny_data: Path, folder: Path, fit: str = "") -> str:
    text = (tiny_data / "tiny.toml").read_text().replace("cycles = [1, 1]\n", f"cycles = [1]\n{fit}")
    (folder / "taught.toml").write_text(text + TEACHER)
    return str(folder / "taught.toml")


def test_a_teacher_sees_the_same_photos_by_a_network_of_its_own(tiny_data: Path, tmp_path: Path) -> None:
    recipe = load_recipe(recipe_with_teacher(tiny_data, tmp_path))
    teacher = teacher_recipe(recipe)
    assert teacher is not None
    assert (teacher.network.size, teacher.rounds, teacher.fit.cycles, teacher.teacher) == (96, 1, (1,), None)
    assert (teacher.train, teacher.views, teacher.fit.batch) == (recipe.train, recipe.views, recipe.fit.batch)


def test_two_teachers_are_refused(tiny_data: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="got both"):
        load_recipe(recipe_with_teacher(tiny_data, tmp_path, fit='teacher = "runs/other"\n'))


def test_a_teacher_is_trained_once_and_asked_about_each_view(tiny_data: Path, tmp_path: Path) -> None:
    from training.fitting.train import train

    recipe = load_recipe(recipe_with_teacher(tiny_data, tmp_path))
    run, said = Run(tmp_path / "run"), []
    train(recipe, tiny_data, run, 1, lambda what, done, count: said.append(what))
    first = run.teacher.network.stat().st_mtime_ns
    answers = np.load(run.folder / "pools" / "train" / "teacher.npy")
    assert answers.shape == (len(np.load(run.folder / "pools" / "train" / "features.npy")), 2)
    assert answers.std() > 0
    assert not (run.teacher.folder / "masks").exists()  # objects are cut out once for both
    assert said.index("teacher: views: train") < said.index("views: train")
    (run.folder / "run.json").unlink()  # as after a kill near the end
    train(recipe, tiny_data, run, 1, lambda *_: None)
    assert run.teacher.network.stat().st_mtime_ns == first
