"""How fast and which way the belt moves, from the sheet riding on it or from items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edge.clock import NS_PER_S
from edge.errors import CalibrationError

Direction = Literal["right", "left", "down", "up"]
# Slower than this and what moves is the measurement's own noise.
MIN_SPEED_MM_PER_S = 2.0
# One pass of the sheet needs this many pictures for a line with a meaning.
MIN_SIGHTS = 5
# A line through one pass must not be off by more than this: the belt stops, jerks or slips.
MAX_ROUGHNESS_MM = 3.0


@dataclass(frozen=True, slots=True)
class Sight:
    """Where the sheet (or an item) was in one picture: millimetres, x to the right and y down in the picture."""

    captured_at: int
    x_mm: float
    y_mm: float


@dataclass(frozen=True, slots=True)
class Motion:
    """Speed along the belt over several passes.

    Attributes:
        speed_mm_per_s: median of the passes.
        spread: standard deviation of the passes, mm/s.
        direction: where things go in the picture.
        skew_degrees: angle of the motion from that direction.
        passes: how many were measured.
        roughness_mm: worst distance of any sight from the straight line of its pass.
    """

    speed_mm_per_s: float
    spread: float
    direction: Direction
    skew_degrees: float
    passes: int
    roughness_mm: float


def measure_motion(passes: Sequence[Sequence[Sight]]) -> Motion:
    """Fit a straight line in time through each pass.

    Raises:
        CalibrationError: too few pictures, the belt stands still, or it does not run evenly.
    """
    usable = [sights for sights in passes if len(sights) >= MIN_SIGHTS]
    if not usable:
        raise CalibrationError(
            f"the sheet was seen in fewer than {MIN_SIGHTS} pictures of every pass: slow the belt, raise "
            "camera.frames_per_s, or raise the camera so that it sees more of the belt"
        )
    fits = [_fit(sights) for sights in usable]
    velocity = np.median([fit[0] for fit in fits], axis=0)
    speeds = [float(np.hypot(*fit[0])) for fit in fits]
    roughness = max(fit[1] for fit in fits)
    if float(np.hypot(*velocity)) < MIN_SPEED_MM_PER_S:
        raise CalibrationError("the belt does not move: switch it on (and close the emergency stop), then try again")
    if roughness > MAX_ROUGHNESS_MM:
        raise CalibrationError(
            f"the belt does not run evenly (off a straight line by {roughness:.1f} mm, at most {MAX_ROUGHNESS_MM:g} mm): "
            "it slips, jerks or stops on the way; tighten it, or tape the sheet to it"
        )
    return Motion(
        speed_mm_per_s=float(np.median(speeds)),
        spread=float(np.std(speeds)),
        direction=_direction(velocity),
        skew_degrees=_skew(velocity),
        passes=len(fits),
        roughness_mm=roughness,
    )


def _fit(sights: Sequence[Sight]) -> tuple[NDArray[np.float64], float]:
    """Return the velocity (2,), mm/s, by least squares, and the worst distance from the line, mm."""
    seconds = np.array([(s.captured_at - sights[0].captured_at) / NS_PER_S for s in sights])
    places = np.array([(s.x_mm, s.y_mm) for s in sights])
    slope, offset = np.polyfit(seconds, places, 1)
    off = places - (seconds[:, None] * slope + offset)
    return slope, float(np.hypot(off[:, 0], off[:, 1]).max())


def _direction(velocity: NDArray[np.float64]) -> Direction:
    x, y = velocity
    if abs(x) >= abs(y):
        return "right" if x > 0 else "left"
    return "down" if y > 0 else "up"


def _skew(velocity: NDArray[np.float64]) -> float:
    along, across = sorted(np.abs(velocity), reverse=True)
    return float(np.degrees(np.arctan2(across, along)))
