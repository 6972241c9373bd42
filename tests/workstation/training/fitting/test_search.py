"""The search keeps its finished trials in the run folder and goes on with them."""

from __future__ import annotations

import shutil
from pathlib import Path

from training.fitting.search import open_study, search
from training.fitting.train import prepare
from training.recipe import load_recipe
from training.run_folder import Run


def test_a_search_started_again_adds_only_what_is_missing(tiny_data: Path, tiny_run: Path, tmp_path: Path) -> None:
    recipe = load_recipe(str(tiny_data / "tiny.toml"))
    shutil.copytree(tiny_run, tmp_path / "run")
    _, _, pools = prepare(recipe, tiny_data, Run(tmp_path / "run"), 1, lambda *_: None)
    first = search(recipe, tiny_data, pools, tmp_path, trials=1)
    again = search(recipe, tiny_data, pools, tmp_path, trials=1)
    assert again == first
    search(recipe, tiny_data, pools, tmp_path, trials=2)
    trials = open_study(tmp_path, recipe.seed).trials
    assert [trial.number for trial in trials] == [0, 1]
    assert trials[0].params != trials[1].params
    assert not list(tmp_path.glob("trial-*"))
