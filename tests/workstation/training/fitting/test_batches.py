"""Mixed batches: what is shown and what is asked for change by the same share; a batch can be made again."""

from __future__ import annotations

import numpy as np
import pytest

from training.fitting.batches import FitSettings, PoolBatches, soft_targets, taught
from training.rendering.pool import Pool


def batches(**settings: float) -> PoolBatches:
    """Sixteen views: the activations of a view are its label, 0 or 1, everywhere."""
    labels = np.arange(16) % 2
    activations = np.broadcast_to(labels[:, None, None, None], (16, 6, 8, 2)).astype(np.float16)
    pool = Pool(activations, np.zeros((16, 4), np.float16), np.stack([labels, 1 - labels], axis=1).astype(np.float16))
    return PoolBatches(pool, soft_targets(labels, 2, 0.0), np.ones(16, np.float32), FitSettings(batch=16, **settings))  # type: ignore[arg-type]


@pytest.mark.parametrize("mixed", ["mixup", "cutmix"])
def test_labels_are_mixed_by_the_share_of_what_is_shown(mixed: str) -> None:
    made = batches(**{"mixup": 0.0, mixed: 1.0})
    shares = []
    for epoch in range(40):
        x, y, _, _ = made.flat(epoch, 0)
        np.testing.assert_allclose(x.mean(axis=(1, 2, 3)), y[:, 1], atol=1e-6)
        shares += y[:, 1].tolist()
    assert len({round(share, 3) for share in shares}) > 10


def test_cutmix_shows_whole_pieces() -> None:
    made = batches(mixup=0.0, cutmix=1.0)
    x = np.concatenate([made.flat(epoch, 0)[0] for epoch in range(20)])
    assert set(np.unique(x).tolist()) == {0.0, 1.0}


def test_a_batch_depends_on_its_epoch_and_number_only() -> None:
    made = batches(cutmix=1.0)
    again = [part.copy() for part in made.flat(3, 0)]
    made.flat(4, 0)
    for a, b in zip(made.flat(3, 0), again, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_pipeline_gives_the_same_batches() -> None:
    made = batches(cutmix=1.0)
    made.epoch = 2
    (((x, (y, old), (weight, _)),)) = list(made.as_dataset())
    for a, b in zip((x, y, old, weight), made.flat(2, 0), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_teacher_says_its_part_except_on_bare_backgrounds() -> None:
    labels = np.array([0, 1, -1])
    targets = soft_targets(labels, 2, 0.0)
    sure_of_one = np.array([[-40.0, 40.0]] * 3, np.float16)
    np.testing.assert_allclose(
        taught(targets, labels, sure_of_one, 0.25), [[0.75, 0.25], [0, 1], [0.5, 0.5]], atol=1e-6
    )
