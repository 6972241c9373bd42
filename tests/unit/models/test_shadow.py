"""The shadow model, a candidate: it changes nothing, and where it differs can be seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge.bundle.archive import read_bundle
from edge.bundle.manifest import Thresholds
from edge.clock import VirtualClock
from edge.errors import StoreError
from edge.inference.classifier import BundleClassifier
from edge.line import Outcome
from edge.models.shadow import Shadow, compare
from edge.types import Box, Crop, Decision, Item, Prediction, Reason

AT_WORK = Thresholds(minimum_score={"paper": 0.5, "glass": 0.95, "metal": 0.5})
RED, GREEN = (250, 10, 10), (10, 250, 10)


@pytest.fixture
def shadow(tmp_path: Path, tiny_bundle: Callable[..., bytes]) -> Shadow:
    """A candidate that takes red for glass and green for paper, where the model at work sees the opposite."""
    bundle = read_bundle(tiny_bundle(labels=("glass", "paper", "metal"), version="2.0"), "candidate")
    return Shadow(bundle.digest, BundleClassifier(bundle), tmp_path / "shadow", VirtualClock())


def outcome(item: int, colour: tuple[int, int, int], label: str) -> Outcome:
    crop = Crop(np.full((48, 48, 3), colour, np.uint8), Box(8, 8, 24, 24), 0, 1.0, 1.0)
    prediction = Prediction(label, 0.9, 0.8, ("paper", "glass", "metal"), (0.9, 0.1, 0.0))
    return Outcome(Item(item, 0, (crop,)), prediction, Decision(item, "x", Reason.SORTED, 0, label), None, 0)


def test_where_they_differ_is_counted_and_kept_with_a_crop(shadow: Shadow, tmp_path: Path) -> None:
    seen = [(RED, "paper"), (RED, "glass"), (GREEN, "glass"), (RED, "paper")]
    for item, (colour, label) in enumerate(seen):
        shadow.offer(outcome(item, colour, label))
        assert shadow.compare_next(0, AT_WORK)
    assert not shadow.compare_next(0, AT_WORK)
    comparison = compare(tmp_path / "shadow")
    assert (comparison.items, comparison.same, comparison.sure, comparison.candidate_sure) == (4, 1, 2, 4)
    assert comparison.pairs == {("paper", "glass"): 2, ("glass", "paper"): 1}
    assert [sample.item for sample in comparison.different] == [0, 2, 3]
    assert all((tmp_path / "shadow" / sample.picture).is_file() for sample in comparison.different)
    assert len(list((tmp_path / "shadow").glob("*.jpg"))) == 3


def test_it_never_keeps_the_line_waiting(shadow: Shadow) -> None:
    for item in range(10):
        shadow.offer(outcome(item, RED, "paper"))
    assert shadow.missed == 6
    looked = 0
    while shadow.compare_next(0, AT_WORK):
        looked += 1
    assert looked == 4


def test_items_without_a_prediction_are_none_of_its_business(shadow: Shadow) -> None:
    seen = outcome(1, RED, "paper")
    shadow.offer(Outcome(seen.item, None, seen.decision, None, 0))
    assert not shadow.compare_next(0, AT_WORK)


def test_a_line_that_a_power_cut_left_half_is_skipped(shadow: Shadow, tmp_path: Path) -> None:
    shadow.offer(outcome(1, RED, "paper"))
    shadow.compare_next(0, AT_WORK)
    with (tmp_path / "shadow" / "items.jsonl").open("a") as file:
        file.write('{"item": 2, "lab')
    assert compare(tmp_path / "shadow").items == 1


def test_nothing_to_compare_says_how_to_begin(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="sorter model shadow"):
        compare(tmp_path)
