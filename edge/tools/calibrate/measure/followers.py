"""What is followed to see how the belt moves: the printed sheet, or an item."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.clock import NS_PER_S
from edge.errors import CalibrationError
from edge.sensing.background import Background
from edge.sensing.blobs import Blob, cover, find_blobs
from edge.sensing.view import View
from edge.tools.calibrate.measure.motion import Sight
from edge.tools.calibrate.measure.scale import Scale, find_scale, shows_sheet
from edge.tools.calibrate.operator.operator import Prompt
from edge.tools.calibrate.rig import MeasurementRig
from edge.types import Box, Frame, Image

Source = Literal["sheet", "items"]
# Places on the sheet farther outside of its markers than this are a guess.
BEYOND_MM = 10.0
# Small pixels: what an item covers at least, and how far apart its parts may be.
LEAST_AREA, GAP = 12.0, 3.0
# Pixels around an item in which it is looked for in the next picture, and how alike it must be there.
REACH, ALIKE = 10, 0.75


class TrackingTarget(Protocol):
    """Follows one thing through the view."""

    prompt: Prompt

    def look(self, frame: Frame) -> bool:
        """Take a picture in; say whether the thing is in it."""
        ...

    def is_in(self, picture: Image) -> bool:
        """Say whether the thing is in a picture."""
        ...

    def sights(self) -> list[Sight]:
        """Return where it was so far, each in millimetres from the same place."""
        ...


def open_target(rig: MeasurementRig, source: Source) -> TrackingTarget:
    """Return what follows the sheet, or the next item."""
    return SheetTarget(rig.region) if source == "sheet" else ItemTarget.over(rig)


@dataclass
class SheetTarget:
    """Follows the printed sheet; its own scale makes millimetres of pixels."""

    region: Box
    prompt: Prompt = Prompt.SHEET_RIDES
    _scales: list[tuple[int, Scale]] = field(default_factory=list)

    def look(self, frame: Frame) -> bool:
        try:
            scale = find_scale(frame.pixels, self.region)
        except CalibrationError:
            return False
        if scale.beyond_mm > BEYOND_MM:
            return False
        self._scales.append((frame.captured_at, scale))
        return True

    def is_in(self, picture: Image) -> bool:
        return shows_sheet(picture)

    def sights(self) -> list[Sight]:
        """Turn places on the sheet into places in the picture: the sheet passes the middle of the view."""
        if not self._scales:
            return []
        turns = np.median([scale.turn for _, scale in self._scales], axis=0).reshape(2, 2)
        places = ((at, -turns @ np.array(scale.origin_mm)) for at, scale in self._scales)
        return [Sight(at, float(x), float(y)) for at, (x, y) in places]


@dataclass
class ItemTarget:
    """Follows one item by its own look, to a fraction of a pixel; millimetres are those of the camera's scale.

    The first pictures must show the empty belt.
    """

    view: View
    mm_per_pixel: float
    prompt: Prompt = Prompt.ONE_ITEM
    _background: Background | None = None
    _learnt_at: int = 0
    _look: NDArray[np.float32] | None = None
    _sights: list[Sight] = field(default_factory=list)

    @classmethod
    def over(cls, rig: MeasurementRig) -> ItemTarget:
        belt = rig.station.belt
        if belt is None:
            raise CalibrationError("this is a bin station: it has no belt to measure")
        return cls(View(rig.region), belt.mm_per_pixel)

    def look(self, frame: Frame) -> bool:
        blob = self._find(frame)
        if blob is None:
            return False
        box = self.view.to_picture(blob.left, blob.top, blob.right, blob.bottom)
        grey = cv2.cvtColor(frame.pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
        if self._look is None:
            self._look = grey[box.y : box.y + box.height, box.x : box.x + box.width].copy()
            place: tuple[float, float] | None = (float(box.x), float(box.y))
        else:
            place = _match(grey, self._look, box)
        if place is None:
            return False
        x_mm, y_mm = (value * self.mm_per_pixel for value in place)
        self._sights.append(Sight(frame.captured_at, x_mm, y_mm))
        return True

    def is_in(self, picture: Image) -> bool:
        return bool(self._sights)

    def sights(self) -> list[Sight]:
        return list(self._sights)

    def _find(self, frame: Frame) -> Blob | None:
        """Return the largest thing that is in view with all of its outline."""
        small = self.view.shrink(frame)
        if self._background is None:
            self._background, self._learnt_at = Background(small), frame.captured_at
        difference = self._background.compare(small)
        blobs = [] if difference is None else find_blobs(difference, LEAST_AREA, GAP, apart=False)
        if frame.captured_at > self._learnt_at:
            elapsed_s = (frame.captured_at - self._learnt_at) / NS_PER_S
            self._background.learn(small, elapsed_s, cover(small, blobs, 3))
            self._learnt_at = frame.captured_at
        width, height = self.view.size
        whole = [b for b in blobs if b.left > 2 and b.top > 2 and b.right < width - 2 and b.bottom < height - 2]
        return max(whole, key=lambda blob: blob.area, default=None)


def _match(grey: NDArray[np.float32], look: NDArray[np.float32], box: Box) -> tuple[float, float] | None:
    """Return where the look is near a box: its top left corner to a fraction of a pixel; None: that is another thing."""
    height, width = look.shape
    left, top = max(0, box.x - REACH), max(0, box.y - REACH)
    part = grey[top : top + height + 2 * REACH, left : left + width + 2 * REACH]
    if part.shape[0] <= height + 2 or part.shape[1] <= width + 2:
        return None
    fit = np.asarray(cv2.matchTemplate(part, look, cv2.TM_CCOEFF_NORMED), np.float32)
    _, best, _, (x, y) = cv2.minMaxLoc(fit)
    if best < ALIKE or not (0 < x < fit.shape[1] - 1 and 0 < y < fit.shape[0] - 1):
        return None
    return left + x + _peak(fit[y, x - 1 : x + 2]), top + y + _peak(fit[y - 1 : y + 2, x])


def _peak(three: NDArray[np.float32]) -> float:
    """Return where a parabola through three values has its peak, from the middle one."""
    before, middle, after = (float(value) for value in three)
    bend = before - 2 * middle + after
    return 0.0 if bend >= 0 else 0.5 * (before - after) / bend
