"""What stands still before the camera: learnt from pictures, compared with later ones, kept in the calibration's file."""

from __future__ import annotations

import io
import logging
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from edge.config.calibration.record import Calibration
from edge.errors import CalibrationError
from edge.types import Image

log = logging.getLogger(__name__)

GRID = (80, 60)  # the picture is looked at in this size
BLOCK = 10  # of a side of an anchor, in pixels of that size
SAMPLES = 20  # pictures in one mean
FITS = 0.7  # correlation of the registered patterns
# And what the motion leaves unexplained is less than this share of what no motion does: along the grain of wood, or a
# rail, every shift fits alike, and an item that lies there for a while decides which fits best.
EXPLAINS = 0.7
FARTHEST = 0.25  # likewise: what is left of the view after more than that may fit by chance; anchors tell then
LEAST_CONTRAST = 1.0  # grey levels, standard deviation within a block
SAME, DIFFERENT = 0.8, 0.4  # correlation of an anchor with itself in the two first means, and when it is lost
FEWEST_ANCHORS = 4
_SETTLED = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 50, 1e-3)
Pattern = NDArray[np.float32]


@dataclass(frozen=True)
class StillView:
    """What stands still before the camera: the pattern (60, 80) and the blocks (6, 8) that are anchors."""

    pattern: Pattern
    anchors: NDArray[np.bool_]

    def lost(self, pattern: Pattern) -> float:
        """Return the share of anchors, 0 to 1, whose pattern is gone; 0 where there are too few to tell."""
        if not self.is_telling:
            return 0.0
        return float(np.mean(_correlations(self.pattern, pattern)[self.anchors] < DIFFERENT))

    def displacement(self, pattern: Pattern) -> float:
        """Return how far the farthest corner has moved, as a share of the width; 0 where the patterns don't fit.

        The rigid motion is found by the enhanced correlation coefficient (Evangelidis and Psarakis, 2008), from
        a first guess by phase correlation.
        """
        if not self.is_telling:
            return 0.0
        shift, _ = cv2.phaseCorrelate(self.pattern, pattern)
        guess = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float32)
        try:
            fit, motion = cv2.findTransformECC(self.pattern, pattern, guess, cv2.MOTION_EUCLIDEAN, _SETTLED)
        except cv2.error:  # it did not converge
            return 0.0
        corners = np.array([[x, y, 1] for x in (0, GRID[0]) for y in (0, GRID[1])], np.float32)
        moved = np.linalg.norm(corners @ np.asarray(motion).T - corners[:, :2], axis=1).max() / GRID[0]
        return float(moved) if fit >= FITS and moved <= FARTHEST and self._explains(pattern, motion) else 0.0

    def _explains(self, pattern: Pattern, motion: MatLike) -> bool:
        """Whether a motion, where it leaves both patterns in view, says much more than that nothing has moved."""
        back = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        there = cv2.warpAffine(np.ones_like(pattern), motion, GRID, flags=back) > 0.99
        if not there.any():
            return False
        went, stayed = (
            float(np.corrcoef(self.pattern[there], other[there])[0, 1])
            for other in (cv2.warpAffine(pattern, motion, GRID, flags=back), pattern)
        )
        return 1 - went <= EXPLAINS * (1 - stayed)

    @property
    def is_telling(self) -> bool:
        return int(self.anchors.sum()) >= FEWEST_ANCHORS

    def to_bytes(self) -> bytes:
        """Return the content of a file that `from_bytes` reads."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, pattern=self.pattern, anchors=self.anchors)
        return buffer.getvalue()

    @staticmethod
    def from_bytes(content: bytes) -> StillView:
        """Read what `to_bytes` wrote.

        Raises:
            CalibrationError: it is something else.
        """
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as stored:
                pattern, anchors = stored["pattern"], stored["anchors"]
        except Exception as error:  # noqa: BLE001 - zipfile, zlib and numpy raise a dozen kinds on damaged bytes
            raise CalibrationError(
                f"the stored view of the camera is damaged ({error}); run `sorter calibrate camera`"
            ) from None
        blocks = (GRID[1] // BLOCK, GRID[0] // BLOCK)
        if (pattern.shape, pattern.dtype, anchors.shape, anchors.dtype) != (GRID[::-1], np.float32, blocks, np.bool_):
            raise CalibrationError("the stored view of the camera has another form; run `sorter calibrate camera`")
        return StillView(pattern, anchors)


def small_grey(pixels: Image) -> Pattern:
    """Return a picture, (height, width, 3), as small as still things are looked for, (60, 80)."""
    small = cv2.resize(pixels, GRID, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.float32)


def learn_view(pictures: Sequence[Pattern]) -> StillView | None:
    """Return what stands still in some small pictures, in the order of time; None if there are too few of them."""
    half = len(pictures) // 2
    if half < SAMPLES:
        return None
    first, second = (np.asarray(np.mean(part, axis=0), np.float32) for part in (pictures[:half], pictures[half:]))
    return new_still_view(still_pattern(first), still_pattern(second))


def new_still_view(first: Pattern, second: Pattern) -> StillView:
    """Keep what is the same in two patterns that were made of other pictures."""
    return StillView(second, (_correlations(first, second) >= SAME) & (_contrasts(first) >= LEAST_CONTRAST))


def still_pattern(mean: Pattern) -> Pattern:
    """The mean without its slow gradients: vignetting and light."""
    return np.asarray(mean - cv2.GaussianBlur(mean, (0, 0), 4.0), np.float32)


def _blocks(pattern: Pattern) -> Pattern:
    """(60, 80) as (6, 8, 100): one row of pixels per block, its mean taken off."""
    rows, columns = GRID[1] // BLOCK, GRID[0] // BLOCK
    blocks = pattern.reshape(rows, BLOCK, columns, BLOCK).swapaxes(1, 2).reshape(rows, columns, BLOCK * BLOCK)
    return np.asarray(blocks - blocks.mean(axis=2, keepdims=True), np.float32)


def _contrasts(pattern: Pattern) -> Pattern:
    return np.asarray(_blocks(pattern).std(axis=2), np.float32)


def _correlations(one: Pattern, other: Pattern) -> Pattern:
    """Pearson's correlation of each block (6, 8) of two patterns; 0 where one is flat."""
    a, b = _blocks(one), _blocks(other)
    scale = np.sqrt((a * a).sum(axis=2) * (b * b).sum(axis=2))
    return np.asarray((a * b).sum(axis=2) / np.maximum(scale, 1e-6), np.float32)


def pack_view(view: StillView) -> str:
    """Return a view as one line of text."""
    # An eighth of a grey level is less than any noise, and packs four times smaller.
    rounded = replace(view, pattern=np.asarray(np.round(view.pattern * 8) / 8, np.float32))
    return b64encode(rounded.to_bytes()).decode()


def stored_view(calibration: Calibration | None) -> StillView | None:
    """Return what stood still when a station was calibrated; None, with a warning, where that can't be read."""
    step = None if calibration is None else calibration.background
    if step is None or step.view is None:
        return None
    try:
        return unpack_view(step.view)
    except CalibrationError as error:
        log.warning("%s; what stands still is learnt anew: run `sorter calibrate background`", error)
        return None


def unpack_view(text: str) -> StillView:
    """Read what `pack_view` made.

    Raises:
        CalibrationError: it is something else.
    """
    try:
        return StillView.from_bytes(b64decode(text, validate=True))
    except ValueError as error:
        raise CalibrationError(f"the stored view of the camera is damaged ({error})") from None
