"""What photos allow to say: true temperature, honest purity, and nothing promised where they say nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from support.older_processor import on_both

from edge.system.statistics import (
    LEAST_SCORE,
    NEVER,
    Threshold,
    fewest_photos,
    fit_temperature,
    fit_threshold,
    fit_thresholds,
    log_softmax,
    softmax,
    surely,
    wilson_interval,
)

ROWS = arrays(np.float64, (40, 3), elements=st.floats(-8, 8))


def answers(count: int, temperature: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits of a model that is `temperature` times too sure, and the true labels drawn from what it should say."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, (count, 3))
    truth = np.array([random.choice(3, p=row) for row in softmax(logits)])
    return logits * temperature, truth


def shown(scores: list[float], right: str, purity: float) -> Threshold:
    """The threshold of photos with these scores; `right` has a + for every right one."""
    return fit_threshold(np.array(scores), [mark == "+" for mark in right], purity)


@given(ROWS, st.floats(0.1, 10))
def test_probabilities_of_a_row_are_one_together_and_in_the_order_of_its_logits(logits: np.ndarray, t: float) -> None:
    probabilities = softmax(logits, t)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert (
        np.take_along_axis(probabilities, logits.argmax(axis=1)[:, None], 1)[:, 0] == probabilities.max(axis=1)
    ).all()


def test_a_hopeless_label_has_a_log_probability_all_the_same() -> None:
    assert log_softmax(np.array([0.0, -2000.0]))[1] == -2000.0


def test_the_wilson_interval_of_eight_in_ten() -> None:
    assert wilson_interval(8, 10) == (pytest.approx(0.490, abs=0.001), pytest.approx(0.943, abs=0.001))


def test_no_photos_tell_nothing() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize("share", [0.5, 0.9, 0.97])
@pytest.mark.parametrize("count", [100, 1000])
def test_the_true_share_is_above_the_lower_end_in_about_four_of_five_cases(share: float, count: int) -> None:
    right = np.random.default_rng(count).binomial(count, share, 20_000)
    # What is counted in whole photos can't meet four of five exactly.
    assert 0.7 < np.mean(surely(right, np.full(20_000, count)) <= share) < 0.93


@given(st.floats(0.5, 0.999))
def test_the_fewest_photos_show_the_purity_and_one_less_does_not(purity: float) -> None:
    photos = fewest_photos(purity)
    assert surely(photos, photos) >= purity - 1e-9
    assert photos == 1 or surely(photos - 1, photos - 1) < purity


def test_23_right_photos_show_a_purity_of_97_percent() -> None:
    assert fewest_photos(0.97) == 23


@settings(max_examples=10)
@given(temperature=st.floats(0.5, 4), seed=st.integers(0, 50))
def test_the_temperature_is_found(temperature: float, seed: int) -> None:
    assert fit_temperature(*answers(3000, temperature, seed)) == pytest.approx(temperature, rel=0.15)


def test_photos_that_are_all_right_do_not_make_the_model_sure_without_end() -> None:
    assert fit_temperature(np.array([[2.0, 0.0]] * 20), np.zeros(20, int)) == pytest.approx(0.25, rel=0.01)


@pytest.mark.parametrize("purity", [0.8, 0.9])
def test_new_photos_are_as_pure_as_was_asked_for(purity: float) -> None:
    logits, truth = answers(3000, 2.0, 1)
    temperature = fit_temperature(logits, truth)
    fits = fit_thresholds(softmax(logits, temperature), truth, purity)
    logits, truth = answers(6000, 2.0, 2)
    scores = softmax(logits, temperature)
    for label, fit in enumerate(fits):
        chosen = (scores.argmax(axis=1) == label) & (scores[:, label] >= fit.minimum_score)
        assert chosen.sum() > 100
        assert (truth[chosen] == label).mean() >= purity - 0.02


@pytest.mark.parametrize(("photos", "purity"), [(40, 0.9), (100, 0.9), (400, 0.95), (2000, 0.97)])
def test_the_promise_holds_in_about_three_of_four_draws_of_photos(photos: int, purity: float) -> None:
    """Scores are true shares, skewed to the sure ones: the purity above a score can be worked out."""
    random = np.random.default_rng(photos)
    grid = np.linspace(0.4, 1, 100_001)
    density = grid**6
    true_purity = np.cumsum((density * grid)[::-1])[::-1] / np.cumsum(density[::-1])[::-1]
    kept, promised = 0, 0
    for _ in range(400):
        scores = np.interp(random.random(photos), np.cumsum(density) / density.sum(), grid)
        fit = fit_threshold(scores, random.random(photos) < scores, purity)
        promised += fit.is_reached
        kept += fit.is_reached and np.interp(fit.minimum_score, grid, true_purity) >= purity
    assert promised > 300
    assert kept / promised > 0.7


def test_few_photos_promise_less_than_many_of_the_same_kind() -> None:
    few, many = (shown([0.9, 0.8] * n, "++" * n, 0.97) for n in (11, 12))
    assert (few.is_reached, many.is_reached) == (False, True)


def test_a_threshold_lies_between_the_last_photo_that_may_be_accepted_and_the_first_that_may_not() -> None:
    fit = shown([0.99] * 30 + [0.9] * 30 + [0.8] * 30, "+" * 60 + "-" * 30, 0.9)
    assert 0.8 < fit.minimum_score < 0.9
    assert (fit.accepted, fit.right, fit.is_reached) == (60, 60, True)


def test_photos_with_one_score_are_accepted_together_or_not_at_all() -> None:
    fit = shown([0.9] * 60, "+" * 45 + "-" * 15, 0.9)
    assert not fit.is_reached


def test_what_is_hardly_ever_confused_has_to_be_sure_all_the_same() -> None:
    assert shown([0.5] * 100, "+" * 100, 0.9).minimum_score == LEAST_SCORE


def test_photos_of_none_of_the_labels_raise_the_threshold() -> None:
    sure = np.concatenate([np.full(60, 0.95), np.full(60, 0.85)])
    rows = np.stack([sure, 1 - sure], axis=1)
    without, among = (fit_thresholds(rows, truth, 0.9)[0] for truth in (np.zeros(120, int), np.repeat([0, -1], 60)))
    assert without.minimum_score < 0.85 < among.minimum_score


def test_a_label_never_found_or_never_rightly_is_never_accepted() -> None:
    found, missing = fit_thresholds(np.array([[0.9, 0.1]] * 30), np.ones(30, int), 0.9)
    assert found == missing == Threshold(NEVER, 0, 0, False)


def test_where_the_purity_can_not_be_had_the_score_that_comes_nearest_is_taken() -> None:
    """Two sure photos show less than forty of which one is wrong; all of them together show the least."""
    fit = shown([0.99] * 2 + [0.95] * 38 + [0.9] * 60, "+" * 39 + "-" + "+-" * 30, 0.97)
    assert not fit.is_reached
    assert (fit.accepted, fit.right) == (40, 39)


@given(
    arrays(np.float64, 80, elements=st.floats(0.3, 1)),
    arrays(np.bool_, 80),
    st.floats(0.5, 0.99),
)
def test_what_a_threshold_accepts_has_the_purity_for_certain_or_lies_under_the_least_score(
    scores: np.ndarray, right: np.ndarray, purity: float
) -> None:
    fit = fit_threshold(scores, right | (scores > 0.8), purity)
    accepted = scores >= fit.minimum_score
    assert (fit.accepted, fit.right) == (accepted.sum(), (right | (scores > 0.8))[accepted].sum())
    if fit.is_reached and fit.minimum_score > LEAST_SCORE:
        assert surely(fit.right, fit.accepted) >= purity
    assert math.isfinite(fit.minimum_score)


def test_the_newer_instructions_of_a_processor_give_the_scores_of_the_older_ones() -> None:
    scores = (
        "import json; import numpy as np; from edge.system.statistics import log_softmax, softmax\n"
        "logits = np.random.default_rng(3).normal(0, 4, (2000, 7))\n"
        "print(json.dumps([softmax(logits, 1.3).tolist(), log_softmax(logits, 1.3).tolist()]))"
    )
    newer, older = on_both(["-c", scores])
    assert newer == older


def test_no_score_reaches_what_stands_for_never() -> None:
    assert softmax(np.array([80.0, 0.0, -3.0])).max() < NEVER
