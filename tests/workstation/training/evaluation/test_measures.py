"""Figures against values that can be worked out by hand, and properties that must hold for any scores."""

from __future__ import annotations

import numpy as np
import pytest

from training.evaluation import measures


def test_a_sure_and_right_classifier_is_calibrated() -> None:
    probabilities = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert measures.calibration_error(probabilities, np.array([0, 1])) == 0.0
    assert measures.calibration_error(probabilities, np.array([1, 0])) == 1.0


def test_rejection_counts_ties_half() -> None:
    assert measures.rejection_auroc(np.array([0.9, 0.5]), np.array([0.5, 0.1])) == pytest.approx(0.875)


def test_the_surest_photos_come_first_in_the_risk_coverage_curve() -> None:
    probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.55, 0.45]])
    curve = measures.risk_coverage(probabilities, np.array([0, 1, 0]), points=3)
    assert curve[0] == (pytest.approx(1 / 3), 1.0)
    assert curve[-1] == (1.0, pytest.approx(2 / 3))
