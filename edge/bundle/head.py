"""The head of a bundle: from what the network gives to one number a label, the same on every machine.

In format 2 the network gives features, and a head of its own makes scores of them: products and sums of whole numbers,
in which no order of adding and no kind of processor makes a difference. It is small, so it can be fitted and sent alone.
Its last row may stand for things of none of the labels, as far as such were there when it was fitted.
In format 1 the network's own last layer gave the scores, and the head only reads them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from edge.bundle.archive import HEAD, Bundle
from edge.bundle.manifest import SMALLEST_SCALE, HeadShape, Manifest, Output, Quantization
from edge.errors import BundleError

Codes = NDArray[np.uint8] | NDArray[np.int8]
Floats = NDArray[np.float64]
Totals = NDArray[np.int64]

_SMALLEST_PROBABILITY: Final = 1e-6
_LARGEST_WEIGHT: Final = 32767
# Far above any bias that means something, and far below where sums of such numbers run over.
_LARGEST_BIAS: Final = 1 << 48


class Head(Protocol):
    """Makes scores of a network's raw output rows."""

    def logits(self, codes: Codes) -> Floats:
        """Scores before softmax (..., labels) of raw output rows (..., outputs)."""
        ...

    def strangeness(self, codes: Codes) -> Floats:
        """How far (...,) the score of "none of these" is above the best label's; never above 0 where the head has none."""
        ...


@dataclass(frozen=True)
class OwnScores:
    """Format 1: the network's output row is one number a label already."""

    output: Output

    def logits(self, codes: Codes) -> Floats:
        real = self.output.dequantize(codes)
        if self.output.kind == "probabilities":
            real = np.log(np.maximum(real, _SMALLEST_PROBABILITY))
        return real

    def strangeness(self, codes: Codes) -> Floats:
        return np.full(codes.shape[:-1], -np.inf)


@dataclass(frozen=True, eq=False)
class LinearHead:
    """weights (rows, features) and bias (rows,): scores = step * (weights @ (codes - zero_point) + bias).

    A row for each label, and with `none_of_these` one more for things of none of them.
    """

    weights: NDArray[np.int16]
    bias: Totals
    step: float
    zero_point: int
    none_of_these: bool = False

    @property
    def labels(self) -> int:
        """Number of labels."""
        return len(self.bias) - self.none_of_these

    def totals(self, codes: Codes) -> Totals:
        """The sums (..., rows) of rows of feature codes (..., features), in whole numbers."""
        return np.asarray((codes.astype(np.int64) - self.zero_point) @ self.weights.T.astype(np.int64) + self.bias)

    def logits(self, codes: Codes) -> Floats:
        return np.asarray(self.totals(codes)[..., : self.labels] * self.step, np.float64)

    def strangeness(self, codes: Codes) -> Floats:
        totals = self.totals(codes)
        if not self.none_of_these:
            return np.full(totals.shape[:-1], -np.inf)
        return np.asarray((totals[..., -1] - totals[..., :-1].max(axis=-1)) * self.step, np.float64)

    def shape(self) -> HeadShape:
        return HeadShape(features=self.weights.shape[1], step=self.step, none_of_these=self.none_of_these)

    def to_bytes(self) -> bytes:
        """head.bin."""
        return self.weights.astype("<i2").tobytes() + self.bias.astype("<i8").tobytes()


def quantize_head(weights: Floats, bias: Floats, features: Quantization, none_of_these: bool = False) -> LinearHead:
    """The head of real weights (rows, features) and bias (rows,) for features with that quantization.

    The largest weight takes all of its 16 bits, so what rounding changes in a score is far below one step of the features.
    A head of next to no weights, as of a network that was hardly trained, is rounded to the smallest step of a manifest.
    """
    worth = max(float(np.abs(weights).max()) * features.scale / _LARGEST_WEIGHT, SMALLEST_SCALE)
    whole = np.rint(weights * features.scale / worth).astype(np.int16)
    return LinearHead(whole, np.rint(bias / worth).astype(np.int64), worth, features.zero_point, none_of_these)


def read_head(bundle: Bundle) -> Head:
    """The head of a bundle of either format.

    Raises:
        BundleError: head.bin holds numbers that no head has.
    """
    manifest = bundle.manifest
    if manifest.head is None:
        return OwnScores(manifest.output)
    return parse_head(bundle.members[HEAD], manifest, bundle.source)


def parse_head(content: bytes, manifest: Manifest, source: str) -> LinearHead:
    """head.bin, whose size `read_bundle` has checked; `source` names the bundle in the error."""
    if manifest.head is None:
        raise ValueError(f"{source} is of format 1, which has no head of its own")
    rows, features = manifest.sums, manifest.head.features
    split = 2 * rows * features
    weights = np.frombuffer(content[:split], "<i2").astype(np.int16).reshape(rows, features)
    bias = np.frombuffer(content[split:], "<i8").astype(np.int64)
    if bias.min() < -_LARGEST_BIAS or bias.max() > _LARGEST_BIAS:
        raise BundleError(f"{source}: {HEAD} holds a bias beyond all measure: build the bundle anew")
    shape = manifest.head
    return LinearHead(weights, bias, shape.step, manifest.output.zero_point, shape.none_of_these)
