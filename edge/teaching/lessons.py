"""What a station is taught with: features of photos, whose label is known, and which of them show one and the same item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge.bundle.head import Codes
from edge.teaching.solver import LEAST_SPREAD

# Cosines. Among 110 pictures of one belt's few things, twelve frames apart, 4 pairs are as near in their label; among 1,845
# of five other sources 40.
_SAME_IN_LABEL: Final = 0.8
_SAME_IN_PLACE: Final = 0.9
_MANY_FEATURES = 32  # in fewer dimensions even different things lie in one direction from elsewhere
_BLOCK = 1000

Items = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Lessons:
    """Photos that are taught.

    Attributes:
        codes: features (photos, features) as the network gives them.
        labels: all labels that the head shall have, those of the base first.
        truth: index of each photo's label (photos,), NONE for things of none of them.
        items: number of the item that each photo shows (photos,).
        turned: features (turns, photos, features) of the photos turned otherwise: learnt from, and never judged.
    """

    codes: Codes
    labels: tuple[str, ...]
    truth: NDArray[np.int64]
    items: NDArray[np.int64]
    turned: Codes | None = None

    @property
    def turns(self) -> int:
        """How many turns of a photo there are beside the one that is judged."""
        return 0 if self.turned is None else len(self.turned)

    def count(self, label: int) -> tuple[int, int]:
        """Items and photos of a label."""
        mine = self.truth == label
        return len(np.unique(self.items[mine])), int(mine.sum())


def group_items(codes: Codes, truth: NDArray[np.int64], given: Sequence[str], elsewhere: Codes | None = None) -> Items:
    """Number the items (photos,): photos that are said to show one item do, and near-duplicates of one label too.

    Two photos of a label look the same if they do beside the rest of the label, or beside all that the label is not: the
    photos of the place's other labels, and where there are none those of another place (`elsewhere`). `given` (photos,)
    names each photo's item, empty where it is unknown.
    """
    groups = np.arange(len(truth))
    first: dict[tuple[str, int], int] = {}
    for photo, name in enumerate(given):
        if name:
            groups[photo] = first.setdefault((name, int(truth[photo])), photo)
    real = codes.astype(np.float32)
    spread = real.std(axis=0) + LEAST_SPREAD
    far = None if elsewhere is None else elsewhere.astype(np.float32).mean(axis=0)
    for label in np.unique(truth):
        mine = np.flatnonzero(truth == label)
        others = real[truth != label].mean(axis=0) if len(mine) < len(truth) else far
        _unite(groups, mine, _directions(real[mine], real[mine].mean(axis=0), spread), _SAME_IN_LABEL)
        if others is not None and real.shape[1] >= _MANY_FEATURES:
            _unite(groups, mine, _directions(real[mine], others, spread), _SAME_IN_PLACE)
    return np.unique(groups, return_inverse=True)[1].astype(np.int64)


def _directions(
    real: NDArray[np.float32], from_where: NDArray[np.float32], spread: NDArray[np.float32]
) -> NDArray[np.float32]:
    off = (real - from_where) / spread
    return np.asarray(off / (np.linalg.norm(off, axis=1, keepdims=True) + 1e-6), np.float32)


def _unite(groups: Items, mine: Items, directions: NDArray[np.float32], same: float) -> None:
    """Give photos whose directions agree one group; a block at a time, as all pairs of many photos take too much memory."""
    for start in range(0, len(mine), _BLOCK):
        alike = directions[start : start + _BLOCK] @ directions[: start + _BLOCK].T > same
        for row in range(len(alike)):
            near = np.unique(groups[mine[: start + row]][alike[row, : start + row]])
            own = groups[mine[start + row]]
            if len(near) and not (len(near) == 1 and near[0] == own):
                groups[mine[np.isin(groups[mine], np.append(near, own))]] = min(own, near.min())
