"""Is the camera still seeing? Frozen, black, over-exposed and moved pictures, recognised from the pictures alone.

Moved: what stands still before the camera (rails, edges, screws) leaves a pattern in the mean over many
seconds; items, hands and a running belt do not. Places of the picture where that pattern came out the same
twice are anchors. The new pattern is registered with the old one now and then: the camera was moved when it
fits shifted or turned, or when most anchors are gone. A view without anchors (a plain belt from edge to edge)
can't tell, and says so in `can_see_movement`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edge.clock import NS_PER_S, ms
from edge.errors import CameraClockError, CameraError
from edge.health.faults import FaultKind
from edge.health.monitors import Observer
from edge.sensing.still_view import GRID, SAMPLES, Pattern, StillView, new_still_view, small_grey, still_pattern
from edge.types import Frame, Image

LOOK_NS = ms(200)  # how often it is looked at; frames in between cost nothing
BLACK_LEVEL, BLACK_SHARE = 20, 0.99  # black: this share of the picture is darker than that
WHITE_LEVEL, WHITE_SHARE = 240, 0.5  # over-exposed: this share is brighter, and without noise:
FLAT_SHARE = 0.5  # this share of it has the very value of its neighbour. A white board has noise
PERSISTS_NS = 2 * NS_PER_S  # a hand before the lens, or a sheet of paper, is no fault yet
FROZEN_NS = NS_PER_S
SAMPLE_NS = ms(500)  # how often the still pattern takes a picture in
REGISTER_EVERY = 4  # samples
DISPLACED = 0.0175  # of the picture's width, at the corner that moved most: 11 of 640 pixels
DISPLACED_NS = 3 * NS_PER_S
COVERED_NS = 15 * NS_PER_S  # longer than anybody holds something before the whole view
LOST_SHARE = 0.6
# A frame from the future, or one that is older than any camera's buffers can make it, is timed by another clock.
FUTURE_NS = ms(5)
OLDEST_NS = ms(10_000)  # a starved machine may be seconds late; another clock is off by far more


class PictureMonitor(Observer):
    """Is shown every frame and looks at five a second; `view` is what was seen at calibration, else the first healthy 20 s.

    `can_freeze` is false for a source whose pictures repeat, such as photos from a folder.
    """

    kinds = frozenset(
        {FaultKind.CAMERA_FROZEN, FaultKind.CAMERA_BLACK, FaultKind.CAMERA_OVEREXPOSED, FaultKind.CAMERA_MOVED}
    )

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

    def on_frame(self, frame: Frame, now: int) -> None:
        at = frame.captured_at
        if self._looked_at is None or at - self._looked_at >= LOOK_NS:
            self._looked_at = at
            self._found = self._look(frame.smallest, at)

    def faults(self, now: int) -> Iterator[tuple[FaultKind, str]]:
        """Yield what is wrong with the newest picture."""
        for kind in self._found:
            yield kind, ""

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
                pattern = still_pattern(self._mean)
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
            self._learn(still_pattern(self._mean))

    def _learn(self, pattern: Pattern) -> None:
        """Keep the first mean; with the second, made of other pictures, tell what stood still in both."""
        if self._first is None:
            self._first, self._mean, self._samples = pattern, None, 0
            return
        self.view = new_still_view(self._first, pattern)


class CameraClockMonitor(Observer):
    """Notices frames whose instants are of another clock than the station's, so that nothing can be timed."""

    kinds = frozenset({FaultKind.CAMERA_CLOCK})

    def __init__(self) -> None:
        self._fits = True

    def on_frame(self, frame: Frame, now: int) -> None:
        self._fits = -FUTURE_NS <= now - frame.captured_at <= OLDEST_NS

    def on_camera_failed(self, error: CameraError) -> None:
        """A camera that has noticed it itself gives no such frame."""
        self._fits = self._fits and not isinstance(error, CameraClockError)

    def faults(self, now: int) -> Iterator[tuple[FaultKind, str]]:
        if not self._fits:
            yield FaultKind.CAMERA_CLOCK, ""


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
