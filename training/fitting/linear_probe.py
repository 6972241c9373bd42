"""The linear probe: the best classifier on frozen features, where fine-tuning starts."""

from __future__ import annotations

import warnings

import numpy as np

from edge.errors import DatasetError


def fit_linear_probe(
    features: np.ndarray, labels: np.ndarray, weights: np.ndarray, classes: int, strength: float = 0.01
) -> tuple[np.ndarray, np.ndarray]:
    """Return kernel (features, classes) and bias of a logistic regression; views of none of the labels are left out."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    known = labels >= 0
    model = LogisticRegression(C=strength, max_iter=150)
    with warnings.catch_warnings():  # fine-tuning goes on from wherever this ends
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(features[known].astype(np.float32), labels[known], sample_weight=weights[known])
    if list(model.classes_) != list(range(classes)):
        raise DatasetError(f"expected views of all {classes} labels, got {len(model.classes_)}: raise rounds or repeat")
    kernel, bias = model.coef_.T, model.intercept_
    if classes == 2:  # scikit-learn gives the second label's row only
        kernel, bias = np.concatenate([-kernel, kernel], axis=1) / 2, np.concatenate([-bias, bias]) / 2
    return kernel.astype(np.float32), bias.astype(np.float32)
