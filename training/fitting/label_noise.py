"""Labels of doubtful sources: what a classifier says of each photo that was fitted on other photos.

Pictures from the web are sorted by whoever collected them: drawings, scenes, a bottle among cans. A linear
classifier on frozen features, fitted on four fifths of all photos and asked about the last fifth, knows nothing of a
photo's own label. Where it all but excludes the label the photo is left out; elsewhere its answer softens the target
(Reed et al., Training on Noisy Labels with Bootstrapping, 2015).
"""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass

import numpy as np

from edge.system.statistics import softmax
from training.recipe import LabelNoise
from training.rendering.renderer import TrainingSet

FOLDS = 5
PENALTY = 0.05  # on squared weights, against the mean loss: found best on sources left out
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Judged:
    """For each photo the probabilities (photos, labels) by photos other than it, and whether it is trained on."""

    answers: np.ndarray
    kept: np.ndarray


def judge(features: np.ndarray, training: TrainingSet, settings: LabelNoise, classes: int, seed: int) -> Judged:
    """Ask about each photo a classifier that never saw it; photos of none of the labels and trusted ones are kept."""
    answers = out_of_fold(features, training.labels, classes, seed)
    doubted = np.array([not of_set.trusted for of_set in training.sets]) & (training.labels >= 0)
    own = answers[np.arange(len(answers)), np.maximum(training.labels, 0)]
    left_out = doubted & (own < settings.least)
    for source in dict.fromkeys(training.sources[left_out].tolist()):
        mine = training.sources == source
        _log.info("%s: %d of %d photos left out: probably another label", source, left_out[mine].sum(), mine.sum())
    return Judged(answers, ~left_out)


def out_of_fold(features: np.ndarray, labels: np.ndarray, classes: int, seed: int) -> np.ndarray:
    """Probabilities (photos, classes) of a logistic regression fitted on the folds that a photo is not in."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    spread = features.std(axis=0) + 1e-3
    rows = ((features - features.mean(axis=0)) / spread).astype(np.float32)
    fold = np.random.default_rng(seed).permutation(len(labels)) % FOLDS
    answers = np.full((len(labels), classes), 1.0 / classes)
    for number in range(FOLDS):
        fitted = (fold != number) & (labels >= 0)
        counts = np.bincount(labels[fitted], minlength=classes)
        weights = np.sqrt(counts.mean() / np.maximum(counts, 1))[labels[fitted]]
        model = LogisticRegression(C=1 / (PENALTY * weights.sum()), max_iter=60)
        with warnings.catch_warnings():  # near the best is good enough to find a label that is far off
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(rows[fitted], labels[fitted], sample_weight=weights)
        scores = rows[fold == number] @ model.coef_.T + model.intercept_
        if scores.shape[1] == 1:  # two labels: scikit-learn gives the second one's scores
            scores = np.concatenate([-scores, scores], axis=1) / 2
        answers[np.ix_(fold == number, model.classes_)] = softmax(scores)
    return answers


def soften(targets: np.ndarray, photos: np.ndarray, training: TrainingSet, judged: Judged, share: float) -> np.ndarray:
    """Targets of views, of which `share` is what the others say where the label is not trusted.

    `photos` (views,) is the photo of each view, -1 for bare backgrounds.
    """
    doubted = np.array([not of_set.trusted for of_set in training.sets]) & (training.labels >= 0)
    mine = (photos >= 0) & doubted[np.maximum(photos, 0)]
    softened = (1 - share) * targets[mine] + share * judged.answers[photos[mine]]
    made = targets.copy()
    made[mine] = softened
    return made
