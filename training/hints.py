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


def hinted(back: keras.Model, head: tuple[np.ndarray, np.ndarray], hints: Hints, labels: tuple[str, ...]) -> Any:
    """Return the back with hints in its scores; it shares the back's weights.

    The hint of a label is `strength` times the highest score (a logit) of its classes. One matrix and a maximum over
    equally long rows: both are int8 operators that XNNPACK has.

    Raises:
        ConfigError: the old classifier has no such class.
    """
    kernel, bias = head
    rows = [hints.classes[label] for label in labels]
    largest = max(max(row) for row in rows)
    if largest >= kernel.shape[1]:
        raise ConfigError(
            f"hints.classes: expected classes of the backbone's own classifier, which has {kernel.shape[1]}, "
            f"got {largest}: correct it, or leave [hints] out for this backbone"
        )
    longest = max(map(len, rows))
    chosen = np.array([[*row, *row[:1] * (longest - len(row))] for row in rows])  # a class twice is no other maximum
    scores, features = back.outputs
    heard = layers.Dense(chosen.size, trainable=False, name="hints")
    # With an open batch layers.Reshape would leave arithmetic about shapes in the graph, which no int8 file may hold.
    by_label = ops.reshape(heard(features), (-1, *chosen.shape, 1))
    surest = ops.reshape(layers.MaxPooling2D((1, longest), name="hints_surest")(by_label), (-1, len(labels)))
    heard.set_weights([hints.strength * kernel[:, chosen.ravel()], hints.strength * bias[chosen.ravel()]])
    told = layers.Add(name="hinted")([scores, surest])
    return keras.Model(back.inputs, [told, features], name=back.name)
