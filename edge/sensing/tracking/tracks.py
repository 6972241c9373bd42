"""One thing on the belt, from the frame in which it appears to the one in which it is gone."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import median

import numpy as np
from numpy.typing import NDArray

from edge.clock import NS_PER_S
from edge.sensing.blobs import Blob
from edge.types import Crop

# Places that the fit of a crossing looks at, and how far from it they may lie: small pixels on a steady belt, a
# share of the way where the frames themselves come unevenly.
FIT_MOST, FIT_FEW = 40, 8
STEADY = 1.2
UNEVEN = 0.15
# Small pixels by which a side of a thing may draw in, or out, from one frame to the next.
SHRINK, GROW = 0.5, 1.0
WHOLE_FRAMES = 3


@dataclass(eq=False)
class Track:
    """What is known of one thing; lengths in small pixels, `speed` in small pixels per second.

    Attributes:
        before_line: it was first seen before the decision line, or could not have been seen earlier.
        places: (instant, centre along the belt) of every frame in which both its ends were in view.
        alone, shared: frames in which it had a blob of its own, or shared one with a neighbour.
    """

    track_id: int
    left: float
    top: float
    right: float
    bottom: float
    seen_at: int
    before_line: bool
    speed: float = 0.0
    born_at: int = 0
    travelled: float = 0.0
    strayed: float = 0.0
    frames: int = 1
    missed: int = 0
    alone: int = 1
    shared: int = 0
    touching: int = 0
    spans_view: bool = False
    emitted: bool = False
    item_id: int = 0
    places: list[tuple[int, float]] = field(default_factory=list)
    lengths: list[float] = field(default_factory=list)
    crops: list[Crop] = field(default_factory=list)
    cropped_at: float = -1e9

    def __post_init__(self) -> None:
        # left, right, top, bottom of the newest blob
        self._last = (self.left, self.right, self.top, self.bottom)
        self.born_at = self.born_at or self.seen_at

    @property
    def length(self) -> float:
        """Extent along the belt: the median over the frames that showed both ends."""
        return median(self.lengths) if self.lengths else self.right - self.left

    @property
    def has_moved(self) -> bool:
        """Whether it goes along with the belt: a stain, a ghost or a hand does not."""
        return self.travelled >= 3.0 and abs(self.strayed) < 0.6 * self.travelled

    @property
    def is_one(self) -> bool:
        """Whether it was seen whole and in one piece often enough to be one thing, whatever waist it shows now."""
        return len(self.lengths) >= WHOLE_FRAMES

    @property
    def centre_across(self) -> float:
        return (self.top + self.bottom) / 2

    def centre(self, along: float, edge: float) -> float:
        """Return the centre along the belt, reckoned from the end that is in view."""
        enters, leaves = self.left <= edge, self.right >= along - edge
        if enters and not leaves:
            return self.right - self.length / 2
        if leaves and not enters:
            return self.left + self.length / 2
        return (self.left + self.right) / 2

    def move(self, step: float) -> None:
        """Go along with the belt unseen."""
        self.left += step
        self.right += step

    def take(self, blob: Blob, at: int, along: float, edge: float) -> None:
        """Take over the place of the blob that was found to be this thing.

        A thing grows at once as it comes into view and slowly once it was seen whole; it shrinks slowly too: what
        is missing from its blob in one frame is a faint part of it, not gone.
        """
        elapsed = max(1, at - self.seen_at) / NS_PER_S
        step = blob.left - self._last[0] if blob.right >= along - edge else blob.right - self._last[1]
        self.strayed += (blob.top + blob.bottom) / 2 - (self._last[2] + self._last[3]) / 2
        self.travelled += step
        self.speed = step / elapsed if self.frames == 1 else self.speed + 0.4 * (step / elapsed - self.speed)
        self.move(_common(blob.left - self.left, blob.right - self.right))
        # What has just been cut off at a waist is another thing.
        shrink = math.inf if blob.split and not self.is_one else SHRINK
        grow = GROW if self.is_one else math.inf
        self.left = max(self.left - grow, min(blob.left, self.left + shrink))
        self.top = max(self.top - grow, min(blob.top, self.top + shrink))
        self.right = min(along, self.right + grow, max(blob.right, self.right - shrink))
        self.bottom = min(self.bottom + grow, max(blob.bottom, self.bottom - shrink))
        self._be_seen(at, (blob.left, blob.right, blob.top, blob.bottom))
        self.alone += 1
        self.touching += blob.touching
        self.note_place(along, edge)

    def note_place(self, along: float, edge: float) -> None:
        """Remember where the centre is, as far as the view's ends let it be known."""
        enters, leaves = self.left <= edge, self.right >= along - edge
        if enters and leaves:
            self.spans_view = True
        elif not enters and not leaves:
            self.lengths.append(self.right - self.left)
            self.places.append((self.seen_at, (self.left + self.right) / 2))
        elif leaves and self.lengths:
            self.places.append((self.seen_at, self.left + self.length / 2))

    def share(self, at: int) -> None:
        """Stay at the predicted place inside a blob that belongs to several things."""
        self.travelled += self.right - self._last[1]
        self._be_seen(at, (self.left, self.right, self.top, self.bottom))
        self.shared += 1

    def _be_seen(self, at: int, last: tuple[float, float, float, float]) -> None:
        self._last = last
        self.seen_at = at
        self.frames += 1
        self.missed = 0

    def crossing(self, line: float) -> tuple[float, float] | None:
        """Return the instant (ns) at which its centre met the line, and its speed there (small pixels per second).

        On a steady belt a straight line through many places gives a tenth of a pixel. Where the belt changes its
        pace only the latest places count; where frames come unevenly (a replayed clip that repeats some) all of
        them do; else the two places on both sides of the line. None if it was never seen whole.
        """
        places = self.places[-FIT_MOST:]
        if len(places) < 2:
            return None
        origin = places[-1][0]
        times = np.array([at - origin for at, _ in places]) / NS_PER_S
        centres = np.array([centre for _, centre in places])
        span = float(centres[-1] - centres[0])
        for count, slack in ((FIT_MOST, STEADY), (FIT_FEW, STEADY), (FIT_MOST, UNEVEN * span)):
            slope, start, off = _fit(times[-count:], centres[-count:])
            if slope > 0 and off <= slack:
                return origin + (line - start) / slope * NS_PER_S, slope
        after = next((n for n in range(1, len(centres)) if centres[n] >= line), len(centres) - 1)
        rise = centres[after] - centres[after - 1]
        if rise <= 0:
            return None
        slope = rise / (times[after] - times[after - 1])
        return origin + (times[after] + (line - centres[after]) / slope) * NS_PER_S, float(slope)


def _common(one: float, other: float) -> float:
    """Return how far both ends are off alike: where only one is, the thing grew or a part of it is missing."""
    return 0.0 if one * other <= 0 else min(one, other, key=abs)


def _fit(times: NDArray[np.float64], centres: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return slope and value at 0 of the least squares line, and how far the worst place lies from it."""
    mean_time, mean_centre = times.mean(), centres.mean()
    spread = ((times - mean_time) ** 2).sum()
    slope = float(((times - mean_time) * (centres - mean_centre)).sum() / spread) if spread > 0 else 0.0
    start = float(mean_centre - slope * mean_time)
    return slope, start, float(np.abs(centres - (slope * times + start)).max())
