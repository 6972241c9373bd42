"""What sources are left out for: heads refitted without each, networks trained without them, and what is said of both."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converter.convert import Converted
from converter.left_out import measure_trained_without, refit_heads
from converter.remembered import Sample
from edge.bundle.head import quantize_head
from edge.bundle.manifest import Quantization, Thresholds
from edge.errors import ConfigError
from training.evaluation import words
from training.recipe import load_recipe, without_source
from training.run_folder import Run

NAMES = ("can", "jar")
THRESHOLDS = Thresholds(temperature=1.0, minimum_score={"can": 0.7, "jar": 0.7}, purity=0.95)


def sample(odd: str = "") -> Sample:
    """Three sources of 40 photos a label, told apart by their first feature; in the odd one it is the other way round."""
    rng = np.random.default_rng(0)
    labels = np.tile(np.repeat([0, 1], 40), 3)
    sources = np.repeat(["yard", "shop", "hall"], 80)
    codes = rng.normal(0, 6, (240, 8))
    codes[:, 0] += np.where((labels == 1) ^ (sources == odd), 40, -40)
    return Sample(np.clip(np.round(codes), -128, 127).astype(np.int8), labels.astype(np.int64), sources)


def head() -> Any:
    return quantize_head(np.zeros((2, 8)), np.zeros(2), Quantization(dtype="int8", scale=0.1, zero_point=0))


def test_a_source_that_is_like_the_others_is_known_without_it() -> None:
    table = refit_heads(sample(), head(), NAMES, THRESHOLDS)
    assert {name: row["photos"] for name, row in table.items()} == {"yard": 80, "shop": 80, "hall": 80}
    assert all(row["top1"] > 0.95 for row in table.values())


def test_a_source_that_is_unlike_the_others_shows_it() -> None:
    table = refit_heads(sample(odd="shop"), head(), NAMES, THRESHOLDS)
    assert table["shop"]["top1"] < 0.2


def test_a_source_with_few_photos_or_the_only_one_of_a_label_is_not_judged() -> None:
    whole = sample()
    few = np.concatenate([np.flatnonzero(whole.sources != "yard"), [0, 1, 79]])
    table = refit_heads(Sample(whole.codes[few], whole.labels[few], whole.sources[few]), head(), NAMES, THRESHOLDS)
    assert set(table) == {"shop", "hall"}
    cans = (whole.labels == 0) | (whole.sources == "hall")
    table = refit_heads(Sample(whole.codes[cans], whole.labels[cans], whole.sources[cans]), head(), NAMES, THRESHOLDS)
    assert set(table) == {"yard", "shop"}


def test_a_run_that_left_a_source_out_is_measured_on_it(tiny_data: Path, tiny_run: Path, tmp_path: Path) -> None:
    text = (tiny_data / "tiny.toml").read_text().replace("[[left_out]]", "[[train]]", 1)
    (tmp_path / "all.toml").write_text(text)
    recipe = load_recipe(str(tmp_path / "all.toml"))
    assert without_source(recipe, "yard").left_out[0].name == "yard"
    (ground,) = measure_trained_without([tiny_run], recipe, tiny_data)  # the tiny run left the yard out
    assert (ground.name, len(ground.photos), ground.scored["int8"].scores.shape) == ("yard", 8, (8, 2))


def test_a_run_that_says_nothing_of_this_one_is_refused(tiny_data: Path, tiny_run: Path, tmp_path: Path) -> None:
    recipe = load_recipe(str(tiny_data / "tiny.toml"))
    with pytest.raises(ConfigError, match="left out no source that this run trained on: board"):
        measure_trained_without([tiny_run], recipe, tiny_data)
    with pytest.raises(ConfigError, match="expected a run with the labels square, disc"):
        measure_trained_without([tiny_run], recipe.model_copy(update={"labels": ("square", "disc")}), tiny_data)
    shutil.copytree(tiny_run, tmp_path / "unfinished", ignore=shutil.ignore_patterns("run.json"))
    with pytest.raises(ConfigError, match="no finished run"):
        measure_trained_without([Run(tmp_path / "unfinished").folder], recipe, tiny_data)


def test_a_conversion_leaves_a_report_with_pictures_in_the_run_and_one_without_in_the_bundle(
    converted: Converted, tiny_run: Path
) -> None:
    report = Run(tiny_run).report.read_text()
    assert "Sources that it never trained on" in report
    assert "surest mistakes" in report
    assert b"data:image/jpeg" not in converted.bundle
    assert set(words.tables(converted.report)) == {words.TABLES["sources"]}


def row(photos: int, top1: float) -> dict[str, Any]:
    return {"photos": photos, "top1": top1, "residual_share": 0.5, "purity_at_thresholds": 0.9}


def test_what_a_model_is_bad_at_is_said_in_plain_words() -> None:
    labels = {
        "can": {"photos": 20, "recall": 0.9, "precision": 0.7},
        "jar": {"photos": 50, "recall": 0.8, "precision": 0.95},
    }
    report = {
        "int8": {
            "labels": labels,
            "confusion": {"labels": ["can", "jar"], "counts": [[19, 1], [10, 40]]},
            "sources": {"yard": row(30, 0.7)},
        },
        "trained_without": {"shop": row(30, 0.5)},
        "heads_without": {"shop": row(30, 0.6), "hall": row(30, 0.55)},
        "thresholds": {"purity": 0.95},
        "purity_not_reached": {"yard": ["can"]},
    }
    assert words.weaknesses(report) == [
        "What it calls can is can in 70 % of the cases.",
        "Of 50 photos of jar it finds 80 %.",
        "10 of 50 photos of jar are taken for can.",
        "Of the sources measured it does worst on shop: top-1 50.0 % of 30 photos, 50.0 % go to residual, purity 90.0 %.",
    ]
    assert words.not_reached(report) == "A purity of 95 % can't be kept, whatever the threshold, on: yard (can)"
    assert [line for line in words.by_source(report) if not line.startswith(" ")] == [
        *(f"{title}:" for title in words.TABLES.values()),
        words.not_reached(report),
    ]
