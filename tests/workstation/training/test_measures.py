"""Figures against values that can be worked out by hand, and properties that must hold for any scores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from training.evaluation import measures


def test_the_wilson_interval_of_eight_in_ten() -> None:
    low, high = measures.wilson(8, 10)
    assert low == pytest.approx(0.490, abs=0.001)
    assert high == pytest.approx(0.943, abs=0.001)


def test_no_photos_tell_nothing() -> None:
    assert measures.wilson(0, 0) == (0.0, 1.0)


def test_scores_twice_too_large_get_temperature_two() -> None:
    rng = np.random.default_rng(0)
    honest = rng.normal(0, 2, (4000, 3))
    drawn = np.array([rng.choice(3, p=row) for row in measures.softmax(honest)])
    assert measures.fit_temperature(2 * honest, drawn) == pytest.approx(2.0, rel=0.1)


def test_a_sure_and_right_classifier_is_calibrated() -> None:
    probabilities = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert measures.calibration_error(probabilities, np.array([0, 1])) == 0.0
    assert measures.calibration_error(probabilities, np.array([1, 0])) == 1.0


def test_rejection_counts_ties_half() -> None:
    assert measures.rejection_auroc(np.array([0.9, 0.5]), np.array([0.5, 0.1])) == pytest.approx(0.875)


def test_a_threshold_keeps_the_purity_asked_for() -> None:
    probabilities = np.array([[0.95, 0.05], [0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4]])
    labels = np.array([0, 0, 1, 0, 1])
    assert measures.fit_thresholds(probabilities, labels, 2, purity=1.0).minimum_score[0] == pytest.approx(0.9)
    assert measures.fit_thresholds(probabilities, labels, 2, purity=0.75).minimum_score[0] == pytest.approx(0.7)


def test_photos_of_none_of_the_labels_raise_the_threshold() -> None:
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3]])
    fitted = measures.fit_thresholds(probabilities, np.array([0, -1, 0]), 2, purity=1.0)
    assert fitted.minimum_score[0] == pytest.approx(0.9)


def test_a_label_never_found_is_never_accepted() -> None:
    fitted = measures.fit_thresholds(np.array([[0.9, 0.1]]), np.array([0]), 2, purity=0.9)
    assert fitted.minimum_score[1] == 1.0
    assert fitted.reached == (True, False)


@given(
    arrays(np.float64, (40, 3), elements=st.floats(-8, 8)),
    arrays(np.int64, 40, elements=st.integers(-1, 2)),
    st.floats(0.5, 1.0),
)
def test_what_thresholds_keep_has_the_purity_wherever_it_is_reached(
    scores: np.ndarray, labels: np.ndarray, purity: float
) -> None:
    probabilities = measures.softmax(scores)
    fitted = measures.fit_thresholds(probabilities, labels, 3, purity)
    found, sure = probabilities.argmax(axis=1), probabilities.max(axis=1)
    for label in range(3):
        ties = np.unique(sure[found == label]).size < np.sum(found == label)
        if fitted.reached[label] and not ties:
            kept = (found == label) & (sure >= fitted.minimum_score[label])
            assert np.mean(labels[kept] == label) >= purity - 1e-12


def test_the_surest_photos_come_first_in_the_risk_coverage_curve() -> None:
    probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.55, 0.45]])
    curve = measures.risk_coverage(probabilities, np.array([0, 1, 0]), points=3)
    assert curve[0] == (pytest.approx(1 / 3), 1.0)
    assert curve[-1] == (1.0, pytest.approx(2 / 3))
