"""What scores are worth, item by item, and the thresholds of a place."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge.bundle.memory import NONE
from edge.system.statistics import LEAST_SCORE, fewest_photos, fit_threshold
from edge.teaching.scoring import Items, by_item, figures, passed, place_thresholds, temperature_of


def items(found: list[int], sure: list[float], truth: list[int]) -> Items:
    return Items(np.array(found), np.array(sure), np.array(truth))


def test_the_photos_of_one_item_are_asked_together() -> None:
    logits = np.array([[4.0, 0.0], [0.0, 1.0], [0.0, 3.0]])
    seen = by_item(logits, np.full(3, -1.0), np.array([0, 0, 1]), np.array([7, 7, 9])).at(1.0)
    assert seen.found.tolist() == [0, 1]
    assert seen.truth.tolist() == [0, 1]
    assert seen.sure[0] < 0.9  # one of its two photos said something else


def test_what_is_more_strange_than_not_is_let_through_by_no_threshold() -> None:
    logits = np.array([[9.0, 0.0], [9.0, 0.0]])
    seen = by_item(logits, np.array([2.0, -1.0]), np.array([NONE, NONE]), np.array([0, 0])).at(1.0)
    assert seen.sure.tolist() == [0.0]


def test_a_label_with_too_few_items_gets_the_score_that_all_together_show() -> None:
    enough = fewest_photos(0.95)
    seen = items([0] * enough + [1] * 3, [0.9] * enough + [0.92] * 3, [0] * enough + [1] * 3)
    (first, own), (second, not_own) = place_thresholds(seen, 2, 0.95)
    assert (own, not_own) == (True, False)
    assert second.is_reached
    assert second.minimum_score <= 0.92
    assert first.minimum_score >= LEAST_SCORE


def test_a_label_whose_own_items_are_wrong_at_that_score_does_not_get_it() -> None:
    seen = items([0] * 60 + [1] * 4, [0.9] * 60 + [0.99, 0.97, 0.95, 0.93], [0] * 60 + [1, 0, 0, 0])
    second, _ = place_thresholds(seen, 2, 0.95)[1]
    assert second.minimum_score > 0.97


@given(st.lists(st.tuples(st.integers(0, 2), st.floats(0, 0.999), st.integers(-1, 2)), min_size=1, max_size=80))
def test_no_threshold_is_under_the_least_and_what_it_lets_through_is_counted_right(
    rows: list[tuple[int, float, int]],
) -> None:
    seen = items(*(list(column) for column in zip(*rows, strict=True)))
    chosen = place_thresholds(seen, 3, 0.9)
    for label, (threshold, _) in enumerate(chosen):
        passed = (seen.found == label) & (seen.sure >= threshold.minimum_score)
        assert threshold.minimum_score >= LEAST_SCORE
        assert threshold.accepted == passed.sum()
        assert threshold.right == (passed & seen.right).sum()


def test_the_figures_of_a_label_and_of_all() -> None:
    seen = items([0, 0, 1, 1, 0], [0.9, 0.8, 0.95, 0.5, 0.99], [0, 0, 1, 1, NONE])
    let_through = passed(seen, [0.85, 0.85])
    of_all, of_first = figures(seen, None, let_through), figures(seen, 0, let_through)
    assert (of_all.top1.right, of_all.top1.count) == (4, 4)
    assert (of_all.purity.right, of_all.purity.count) == (2, 3)
    assert (of_all.recovery.right, of_all.recovery.count) == (2, 4)
    assert (of_first.purity.right, of_first.purity.count) == (1, 2)


def test_what_is_unknown_is_not_named_rightly() -> None:
    seen = items([0, 0], [0.0, 0.8], [0, 0])
    assert figures(seen, None, passed(seen, [0.7])).top1.right == 1


def test_photos_that_are_all_right_make_scores_no_surer_than_so_many_can_tell() -> None:
    logits, truth = np.tile([5.0, 0.0], (40, 1)), np.zeros(40, np.int64)
    sure = 1 / (1 + np.exp(-5.0 / temperature_of(logits, truth, 1.0)))
    assert 0.97 < sure < 0.995  # 41 of 42, shared among two


def test_scores_that_are_mostly_true_open_a_label_further_than_a_few_dozen_counts_can() -> None:
    sure = np.linspace(0.999, 0.9, 30)
    truth = np.zeros(30, np.int64)
    truth[10] = 1  # the one that is wrong is among the surest: counting alone stops before it
    seen = Items(np.zeros(30, np.int64), sure, truth)
    counted = fit_threshold(seen.sure, seen.right, 0.95)
    (threshold, own), *_ = place_thresholds(seen, 2, 0.95)
    assert not counted.is_reached
    assert threshold.minimum_score < 0.95
    assert threshold.right / threshold.accepted >= 0.95
    assert not own


def test_scores_that_promise_too_much_are_not_believed() -> None:
    half_wrong = items([0] * 40, [0.99] * 40, [0, 1] * 20)
    threshold, _ = place_thresholds(half_wrong, 2, 0.95)[0]
    assert not threshold.is_reached
