"""Which photos the quantizer looks at: of every label, the ordinary and the extreme."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge.types import Image


def choose_representative(views: Sequence[Image], labels: Sequence[str], count: int) -> list[int]:
    """Return indices of `count` views, the same number of each label, spread over brightness, contrast and colour.

    Within a label the first is the one nearest to its mean; each next is the one farthest from those already
    chosen (Gonzalez 1985), so that ranges are measured on dark, bright, pale and vivid photos alike and not
    on what a folder happens to begin with.
    """
    looks = np.array([_look(view) for view in views])
    spread = looks.std(axis=0)
    looks = (looks - looks.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    names = sorted(set(labels))
    chosen: list[int] = []
    for number, name in enumerate(names):
        wanted = count // len(names) + (number < count % len(names))
        chosen += _farthest(looks, np.flatnonzero(np.array(labels) == name), wanted)
    return chosen


def _look(view: Image) -> np.ndarray:
    pixels = view.reshape(-1, 3).astype(np.float32)
    grey = pixels.mean(axis=1)
    return np.array([*pixels.mean(axis=0), grey.std(), *np.percentile(grey, [2, 98]), np.ptp(pixels, axis=1).mean()])


def _farthest(looks: np.ndarray, members: np.ndarray, wanted: int) -> list[int]:
    own = looks[members]
    first = int(np.argmin(np.linalg.norm(own - own.mean(axis=0), axis=1)))
    chosen = [first]
    distance = np.linalg.norm(own - own[first], axis=1)
    while len(chosen) < min(wanted, len(members)):
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, np.linalg.norm(own - own[chosen[-1]], axis=1))
    return [int(members[index]) for index in chosen]
