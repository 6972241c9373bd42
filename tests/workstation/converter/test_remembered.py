"""What a bundle remembers of its photos, and its row for things of none of the labels."""

from __future__ import annotations

import numpy as np
import pytest

from converter.remembered import Sample, add_none_of_these, remember, set_back
from edge.bundle.head import LinearHead, quantize_head
from edge.bundle.manifest import Quantization
from edge.bundle.memory import NONE, most_photos
from training.evaluation.evaluate import Scored

FEATURES = Quantization(dtype="uint8", scale=0.02, zero_point=0)
CENTRES = {0: 60.0, 1: 120.0, NONE: 180.0}


class Network:
    """As much of an interpreter as says what the features' codes mean."""

    output = FEATURES


def codes_of(labels: np.ndarray, seed: int) -> np.ndarray:
    """Two labels and things of none, each with its own third of thirty features raised."""
    raised = np.repeat([0, 1, NONE], 10)
    level = np.where(labels[:, None] == raised, 150.0, 40.0)
    return np.clip(level + np.random.default_rng(seed).normal(0, 25, level.shape), 0, 255).astype(np.uint8)


@pytest.fixture
def head() -> LinearHead:
    weights = np.repeat([[1.0, 0, 0], [0, 1.0, 0]], 10, axis=1) / 8
    return quantize_head(weights, np.zeros(2), FEATURES)


@pytest.fixture
def sample() -> Sample:
    labels = np.repeat([0, 1, NONE], 120)
    return Sample(codes_of(labels, 1), labels)


def test_the_row_tells_strange_things_and_leaves_the_labels_scores_alone(head: LinearHead, sample: Sample) -> None:
    made = add_none_of_these(head, sample, Network())  # type: ignore[arg-type]
    fresh = codes_of(np.repeat([0, 1, NONE], 100), 2)
    strange = made.strangeness(fresh) > 0
    assert strange[200:].mean() > 0.95
    assert strange[:200].mean() < 0.05
    np.testing.assert_allclose(made.logits(fresh), head.logits(fresh), atol=0.02)


def test_without_photos_of_strange_things_there_is_no_such_row(head: LinearHead) -> None:
    labels = np.repeat([0, 1], 120)
    assert add_none_of_these(head, Sample(codes_of(labels, 1), labels), Network()) is head  # type: ignore[arg-type]


def test_the_row_is_set_back_until_hardly_anything_known_is_called_unknown(head: LinearHead, sample: Sample) -> None:
    made = add_none_of_these(head, sample, Network())  # type: ignore[arg-type]
    hard = np.clip(codes_of(np.repeat([0, 1], 500), 5).astype(int) + 60, 0, 255).astype(np.uint8)
    strange = made.strangeness(hard)
    validation = Scored(made.logits(hard), 1.0, strange - strange.min())
    assert validation.is_unknown.mean() > 0.9
    back, shift = set_back(made, [validation])
    assert shift > 0
    assert validation.set_back(shift).is_unknown.mean() <= 0.02
    np.testing.assert_allclose(back.strangeness(hard), made.strangeness(hard) - shift, atol=1e-6)


def test_a_memory_holds_validation_photos_to_half_and_every_label(sample: Sample) -> None:
    labels = np.arange(2000) % 2
    memory = remember(sample, (codes_of(labels, 3), labels), 30, seed=1)
    assert len(memory) == len(labels) + len(sample.labels) < most_photos(30)
    small = remember(
        Sample(codes_of(np.repeat([0, 1, NONE], 9000), 4), np.repeat([0, 1, NONE], 9000)),
        (codes_of(labels, 3), labels),
        1280,
        seed=1,
    )
    assert len(small) == most_photos(1280)
    assert small.held_out.sum() == most_photos(1280) // 2
    assert (small.labels[~small.held_out] == NONE).mean() == pytest.approx(1 / 3, abs=0.01)
