"""The fit that starts from a head and is held near it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.system.statistics import softmax
from edge.teaching.solver import Examples, Softmax, fit_softmax


def drawn(seed: int, photos: int = 60, features: int = 8, classes: int = 3) -> tuple[np.ndarray, np.ndarray, Softmax]:
    rng = np.random.default_rng(seed)
    start = Softmax(rng.normal(0, 0.3, (features, classes)), rng.normal(0, 0.3, classes))
    return rng.normal(size=(photos, features)).astype(np.float32), rng.integers(0, classes, photos), start


def slope(
    features: np.ndarray, truth: np.ndarray, weight: np.ndarray, start: Softmax, at: Softmax, stiffness: float
) -> np.ndarray:
    """The derivative of the loss, written down from its definition."""
    error = (softmax(at.logits(features)) - np.eye(at.bias.size)[truth]) * (weight / weight.sum())[:, None]
    return np.concatenate([(features.T @ error + stiffness * (at.weights - start.weights)).ravel(), error.sum(axis=0)])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(1e-3, 1.0))
def test_it_ends_where_the_loss_has_no_slope(seed: int, stiffness: float) -> None:
    features, truth, start = drawn(seed)
    weight = np.random.default_rng(seed).uniform(0.1, 1, len(truth))
    fitted = fit_softmax(Examples(features, truth, weight), start, stiffness, 500)
    before = np.abs(slope(features, truth, weight, start, start, stiffness)).max()
    assert np.abs(slope(features, truth, weight, start, fitted, stiffness)).max() < max(2e-3 * before, 2e-4)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000))
def test_the_order_of_the_photos_changes_nothing_that_matters(seed: int) -> None:
    features, truth, start = drawn(seed)
    order = np.random.default_rng(seed).permutation(len(truth))
    one = fit_softmax(Examples(features, truth, np.ones(len(truth))), start, 0.05)
    other = fit_softmax(Examples(features[order], truth[order], np.ones(len(truth))), start, 0.05)
    np.testing.assert_allclose(one.logits(features), other.logits(features), atol=0.02)


def test_a_photo_of_weight_two_is_a_photo_shown_twice() -> None:
    features, truth, start = drawn(5)
    twice = fit_softmax(
        Examples(np.vstack([features, features[:1]]), np.append(truth, truth[0]), np.ones(61)), start, 0.05
    )
    heavy = fit_softmax(Examples(features, truth, np.where(np.arange(60) == 0, 2.0, 1.0)), start, 0.05)
    np.testing.assert_allclose(heavy.logits(features), twice.logits(features), atol=0.02)


@pytest.mark.parametrize(("stiffness", "nearest"), [(1e4, 1e-3), (1e-3, np.inf)], ids=["firm", "loose"])
def test_stiffness_holds_the_weights_where_they_were(stiffness: float, nearest: float) -> None:
    features, truth, start = drawn(7)
    fitted = fit_softmax(Examples(features, truth, np.ones(60)), start, stiffness)
    moved = float(np.abs(fitted.weights - start.weights).max())
    assert moved < nearest
    assert moved > 0.05 or stiffness > 1


def test_what_is_given_of_the_logits_is_not_fitted_again() -> None:
    features, truth, _ = drawn(11)
    given = np.eye(3)[truth] * 30.0  # the answers already
    start = Softmax(np.zeros((8, 3)), np.zeros(3))
    fitted = fit_softmax(Examples(features, truth, np.ones(60), given), start, 1e-3)
    assert np.abs(fitted.weights).max() < 1e-6
