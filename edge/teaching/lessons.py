"""What a station is taught with: features of photos, whose label is known, and which of them show one and the same item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge.bundle.head import Codes

_SAME: Final = 0.85  # cosine
_FEWEST = 5  # photos of a label whose mean tells what they share
_BLOCK = 1000


@dataclass(frozen=True, eq=False)
class Lessons:
    """Photos that are taught.

    Attributes:
        codes: features (photos, features) as the network gives them.
        labels: all labels that the head shall have, those of the base first.
        truth: index of each photo's label (photos,), NONE for things of none of them.
        items: number of the item that each photo shows (photos,).
    """

    codes: Codes
    labels: tuple[str, ...]
    truth: NDArray[np.int64]
    items: NDArray[np.int64]

    def count(self, label: int) -> tuple[int, int]:
        """Items and photos of a label."""
        mine = self.truth == label
        return len(np.unique(self.items[mine])), int(mine.sum())


def group_items(codes: Codes, truth: NDArray[np.int64], given: Sequence[str]) -> NDArray[np.int64]:
    """Number the items (photos,): photos that are said to show one item do, and near-duplicates of one label too.

    What all photos of a label share, such as the ground that they lie on, is taken off before they are compared; of a label
    with a few photos what all of the place share. `given` (photos,) names each photo's item, empty where it is unknown.
    """
    parents = np.arange(len(truth))

    def root(photo: int) -> int:
        while parents[photo] != photo:
            parents[photo] = parents[parents[photo]]
            photo = int(parents[photo])
        return photo

    first: dict[tuple[str, int], int] = {}
    for photo, name in enumerate(given):
        if name:
            parents[root(photo)] = root(first.setdefault((name, int(truth[photo])), photo))
    for one, other in _near(codes, truth):
        parents[root(one)] = root(other)
    return np.unique([root(photo) for photo in range(len(truth))], return_inverse=True)[1].astype(np.int64)


def _near(codes: Codes, truth: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Pairs of photos of one label that look the same."""
    real = codes.astype(np.float32)
    spread = real.std(axis=0) + 2.0
    pairs: list[tuple[int, int]] = []
    for label in np.unique(truth):
        mine = np.flatnonzero(truth == label)
        own = real[mine] - real[mine if len(mine) >= _FEWEST else slice(None)].mean(axis=0)
        own /= spread * (np.linalg.norm(own / spread, axis=1, keepdims=True) + 1e-6)
        for start in range(0, len(mine), _BLOCK):
            alike = own[start : start + _BLOCK] @ own.T > _SAME
            pairs += [(int(mine[start + i]), int(mine[j])) for i, j in np.argwhere(alike) if start + i < j]
    return pairs
