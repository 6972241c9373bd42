"""Is the camera still seeing? Frozen, black, over-exposed and moved pictures, recognised from the pictures alone.

Moved: what stands still before the camera (rails, edges, screws) leaves a pattern in the mean over many
seconds; items, hands and a running belt do not. Places of the picture where that pattern came out the same
twice are anchors. The new pattern is registered with the old one now and then: the camera was moved when it
fits shifted or turned, or when most anchors are gone. A view without anchors (a plain belt from edge to edge)
can't tell, and says so in `can_see_movement`.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from edge.clock import NS_PER_S, ms
from edge.errors import CalibrationError
from edge.health.faults import FaultKind
from edge.types import Frame, Image

GRID = (80, 60)  # the picture is looked at in this size
BLOCK = 10  # of a side of an anchor, in pixels of that size
LOOK_NS = ms(200)  # how often it is looked at; frames in between cost nothing
BLACK_LEVEL, BLACK_SHARE = 20, 0.99  # black: this share of the picture is darker than that
WHITE_LEVEL, WHITE_SHARE = 240, 0.5  # over-exposed: this share is brighter, and without noise:
FLAT_SHARE = 0.5  # this share of it has the very value of its neighbour. A white board has noise
PERSISTS_NS = 2 * NS_PER_S  # a hand before the lens, or a sheet of paper, is no fault yet
FROZEN_NS = NS_PER_S
SAMPLE_NS = ms(500)  # how often the still pattern takes a picture in
SAMPLES = 20  # pictures in one mean
REGISTER_EVERY = 4  # samples
FITS = 0.7  # correlation of the registered patterns
# And what the motion leaves unexplained is less than this share of what no motion does: along the grain of wood, or a
# rail, every shift fits alike, and an item that lies there for a while decides which fits best.
EXPLAINS = 0.7
DISPLACED = 0.0175  # of the picture's width, at the corner that moved most: 11 of 640 pixels
FARTHEST = 0.25  # likewise: what is left of the view after more than that may fit by chance; anchors tell then
DISPLACED_NS = 3 * NS_PER_S
COVERED_NS = 15 * NS_PER_S  # longer than anybody holds something before the whole view
LEAST_CONTRAST = 1.0  # grey levels, standard deviation within a block
SAME, DIFFERENT = 0.8, 0.4  # correlation of an anchor with itself in the two first means, and when it is lost
FEWEST_ANCHORS = 4
LOST_SHARE = 0.6
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


class CameraWatch:
    """Is shown every frame and looks at five a second; `view` is what was seen at calibration, else the first healthy 20 s.

    `can_freeze` is false for a source whose pictures repeat, such as photos from a folder.
    """

    def __init__(self, view: StillView | None = None, can_freeze: bool = True) -> None:
        self.view = view
        self._can_freeze = can_freeze
        self._looked_at: int | None = None
        self._found: frozenset[FaultKind] = frozenset()
        self._since: dict[str, int] = {}
        self._last: bytes = b""
        self._changed_at: int | None = None
        self._sampled_at: int | None = None
        self._mean: Pattern | None = None
        self._samples = 0
        self._first: Pattern | None = None
        self._lost = self._displacement = 0.0

    @property
    def can_see_movement(self) -> bool:
        """Whether there is enough that stands still; false until it has been learnt."""
        return self.view is not None and self.view.is_telling

    def observe(self, frame: Frame) -> frozenset[FaultKind]:
        """Take the next frame in and return what is wrong with the picture now."""
        at = frame.captured_at
        if self._looked_at is None or at - self._looked_at >= LOOK_NS:
            self._looked_at = at
            self._found = self._look(frame.pixels, at)
        return self._found

    def _look(self, pixels: Image, at: int) -> frozenset[FaultKind]:
        dots = _dots(pixels, 0)
        if dots.size == 0:
            return frozenset()  # a single column tells nothing
        dark, bright = _is_black(dots), _is_overexposed(pixels, dots)
        there = {
            FaultKind.CAMERA_BLACK: (dark, PERSISTS_NS),
            FaultKind.CAMERA_OVEREXPOSED: (bright, PERSISTS_NS),
            # A picture that is all black or all white has no noise that could change.
            FaultKind.CAMERA_FROZEN: (self._is_same(dots, at) and not dark and not bright, 0),
        }
        found = {kind for kind, (now, persists) in there.items() if self._lasts(kind, now, at, persists)}
        if not dark and not bright and self._is_moved(pixels, at):
            found.add(FaultKind.CAMERA_MOVED)
        return frozenset(found)

    def _lasts(self, kind: str, there: bool, at: int, persists: int) -> bool:
        if not there:
            self._since.pop(kind, None)
            return False
        return at - self._since.setdefault(kind, at) >= persists

    def _is_same(self, dots: Image, at: int) -> bool:
        content = dots.tobytes()
        if content != self._last or self._changed_at is None:
            self._last, self._changed_at = content, at
        return self._can_freeze and at - self._changed_at >= FROZEN_NS

    def _is_moved(self, pixels: Image, at: int) -> bool:
        """Take the picture into the mean now and then; compare that with what stood still."""
        if self._sampled_at is None or at - self._sampled_at >= SAMPLE_NS:
            self._sampled_at = at
            self._sample(pixels)
            if self.view is not None and self._mean is not None and self._samples >= SAMPLES:
                pattern = _still_pattern(self._mean)
                self._lost = self.view.lost(pattern)
                if self._samples % REGISTER_EVERY == 0:
                    self._displacement = self.view.displacement(pattern)
        displaced = self._lasts("displaced", self._displacement >= DISPLACED, at, DISPLACED_NS)
        covered = self._lasts("covered", self._lost >= LOST_SHARE, at, COVERED_NS)
        return displaced or covered

    def _sample(self, pixels: Image) -> None:
        grey = small_grey(pixels)
        # A plain mean at first, then one that forgets.
        self._samples += 1
        share = np.float32(1 / min(self._samples, SAMPLES))
        self._mean = grey if self._mean is None else self._mean + share * (grey - self._mean)
        if self.view is None and self._samples == SAMPLES:
            self._learn(_still_pattern(self._mean))

    def _learn(self, pattern: Pattern) -> None:
        """Keep the first mean; with the second, made of other pictures, tell what stood still in both."""
        if self._first is None:
            self._first, self._mean, self._samples = pattern, None, 0
            return
        self.view = _still_view(self._first, pattern)


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
    return _still_view(_still_pattern(first), _still_pattern(second))


def _still_view(first: Pattern, second: Pattern) -> StillView:
    """Keep what is the same in two patterns that were made of other pictures."""
    return StillView(second, (_correlations(first, second) >= SAME) & (_contrasts(first) >= LEAST_CONTRAST))


def _dots(pixels: Image, offset: int) -> Image:
    """Single pixels, evenly spread, 60 or a few more rows of them; `offset` pixels to the right."""
    step = max(1, pixels.shape[0] // GRID[1])
    return np.ascontiguousarray(pixels[::step, offset : pixels.shape[1] - 1 + offset : step])


def _is_black(dots: Image) -> bool:
    return bool(np.mean(dots.max(axis=2) < BLACK_LEVEL) >= BLACK_SHARE)


def _is_overexposed(pixels: Image, dots: Image) -> bool:
    bright = dots.min(axis=2) >= WHITE_LEVEL
    if bright.mean() < WHITE_SHARE:
        return False
    same = (dots == _dots(pixels, 1)).all(axis=2)
    return bool(same[bright].mean() >= FLAT_SHARE)


def _still_pattern(mean: Pattern) -> Pattern:
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
