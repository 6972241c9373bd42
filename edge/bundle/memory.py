"""The memory of a bundle: what photos look like that its network knows, so that a head taught on site forgets nothing.

For each photo the network's features and its label. A feature has four bits, spaced as square roots: most features are near
their least code, where finer steps tell more. A head fitted on twice as many photos so rounded forgets less than one fitted
on half of them whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge.bundle.archive import MEMORY, MEMORY_LIMIT, Bundle
from edge.bundle.head import Codes
from edge.bundle.manifest import Manifest
from edge.errors import BundleError

NONE: Final = -1
"""Stands for things of none of the labels."""
_NONE_BYTE, _HELD_OUT = 255, 1
_STEPS = 15
_REAL = np.rint(255 * (np.arange(_STEPS + 1) / _STEPS) ** 2).astype(np.int16)
_NEAREST = np.abs(np.arange(256)[:, None] - _REAL).argmin(axis=1).astype(np.uint8)


@dataclass(frozen=True, eq=False)
class Memory:
    """Feature codes (photos, features) as the network gives them, labels (photos,) as indices or NONE, which are held out.

    A photo is held out if the network did not learn from it.
    """

    codes: Codes
    labels: NDArray[np.int64]
    held_out: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.labels)

    def to_bytes(self) -> bytes:
        """memory.bin: for each photo its label, its flags and its features, two in a byte."""
        above = self.codes.astype(np.int16) - np.iinfo(self.codes.dtype).min
        levels = _NEAREST[above]
        if levels.shape[1] % 2:
            levels = np.pad(levels, ((0, 0), (0, 1)))
        rows = np.empty((len(self), 2 + levels.shape[1] // 2), np.uint8)
        rows[:, 0] = np.where(self.labels == NONE, _NONE_BYTE, self.labels)
        rows[:, 1] = self.held_out * _HELD_OUT
        rows[:, 2:] = levels[:, ::2] << 4 | levels[:, 1::2]
        return rows.tobytes()


def most_photos(features: int) -> int:
    """Return how many photos a memory may hold."""
    return MEMORY_LIMIT // _row_bytes(features)


def read_memory(bundle: Bundle) -> Memory | None:
    """The memory of a bundle, None where it has none.

    Raises:
        BundleError: it holds what no memory holds.
    """
    content = bundle.members.get(MEMORY)
    return None if content is None else parse_memory(content, bundle.manifest, bundle.source)


def parse_memory(content: bytes, manifest: Manifest, source: str) -> Memory:
    """memory.bin; `source` names the bundle in the error.

    Raises:
        BundleError: it is not of that network's size, or a label or a flag is none.
    """
    size = _row_bytes(manifest.outputs)
    if not content or len(content) % size:
        raise BundleError(f"{source}: {MEMORY} is no whole number of {size} bytes a photo: build the bundle anew")
    rows = np.frombuffer(content, np.uint8).reshape(-1, size)
    labels = np.where(rows[:, 0] == _NONE_BYTE, NONE, rows[:, 0].astype(np.int64))
    if labels.max() >= len(manifest.labels) or rows[:, 1].max() > _HELD_OUT:
        raise BundleError(f"{source}: {MEMORY} holds a label or a flag that there is none of: build the bundle anew")
    levels = np.empty((len(rows), 2 * (size - 2)), np.uint8)
    levels[:, ::2], levels[:, 1::2] = rows[:, 2:] >> 4, rows[:, 2:] & 15
    kind = np.dtype(manifest.output.dtype)
    codes = (_REAL[levels[:, : manifest.outputs]] + np.iinfo(kind).min).astype(kind)
    return Memory(codes, labels, rows[:, 1] == _HELD_OUT)


def _row_bytes(features: int) -> int:
    return 2 + (features + 1) // 2
