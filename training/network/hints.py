"""Hints: what the classifier that the backbone was pre-trained with says, added to the scores of our labels.

Fine-tuning knows the photos it saw; the old classifier knows a thousand kinds of things in any surroundings, many of
them of one material (a water bottle, a carton, a wine bottle, a lemon). Adding what it says after the training, as one
adds the answers of two networks, keeps that for objects and cameras that the training never saw; added before, the
training would learn to undo it.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from edge.errors import ConfigError
from training.recipe import Hints


def check_hints(hints: Hints, classes: int) -> None:
    """Refuse hints that name classes which the old classifier does not have.

    Raises:
        ConfigError: there is such a class.
    """
    largest = max(max(row) for row in hints.classes.values())
    if largest >= classes:
        raise ConfigError(
            f"hints.classes: expected classes of the backbone's own classifier, which has {classes}, "
            f"got {largest}: correct it, or leave [hints] out for this backbone"
        )


def find_lifts(old: np.ndarray, labels: np.ndarray, hints: Hints, names: tuple[str, ...]) -> np.ndarray:
    """Return what each label's hint lacks to the mean label's, over views of all labels, each label weighing the same.

    Of many classes one is always found; a label that has few would lose by that alone. `old` (views, classes) are the
    old classifier's scores (logits), `labels` (views,) indices, -1 for none.
    """
    hint = np.stack([old[:, hints.classes[name]].max(axis=1) for name in names], axis=1).astype(np.float64)
    means = np.mean([hint[labels == label].mean(axis=0) for label in range(len(names))], axis=0)
    return np.asarray(np.maximum(means.mean() - means, 0.0))


def hinted(
    back: keras.Model,
    head: tuple[np.ndarray, np.ndarray],
    hints: Hints,
    labels: tuple[str, ...],
    lifts: np.ndarray,
) -> Any:
    """Return the back with hints in its scores; it shares the back's weights.

    The hint of a label is `strength` times its lift and the highest score (a logit) of its classes. One matrix and a
    maximum over equally long rows: both are int8 operators that XNNPACK has.
    """
    kernel, bias = head
    rows = [hints.classes[label] for label in labels]
    longest = max(map(len, rows))
    chosen = np.array([[*row, *row[:1] * (longest - len(row))] for row in rows])  # a class twice is no other maximum
    scores, features = back.outputs
    heard = layers.Dense(chosen.size, trainable=False, name="hints")
    # With an open batch layers.Reshape would leave arithmetic about shapes in the graph, which no int8 file may hold.
    by_label = ops.reshape(heard(features), (-1, *chosen.shape, 1))
    surest = ops.reshape(layers.MaxPooling2D((1, longest), name="hints_surest")(by_label), (-1, len(labels)))
    lifted = bias[chosen] + lifts[:, None]
    heard.set_weights([hints.strength * kernel[:, chosen.ravel()], hints.strength * lifted.ravel()])
    told = layers.Add(name="hinted")([scores, surest])
    return keras.Model(back.inputs, [told, features], name=back.name)
