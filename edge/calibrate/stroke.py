"""How long a diverter takes from command to position, from pictures of it.

One stroke lasts one or two frames, too short to be seen moving. So it is fired several times at different
phases of the frame clock, and the pictures of all strokes are put on one time axis that begins with the
command: equivalent-time sampling, as an oscilloscope does it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.clock import NS_PER_MS
from edge.errors import CalibrationError
from edge.types import Box, Frame

# Grey levels by which a moving arm must change its part of the picture, on average over that part.
MIN_CHANGE = 3.0
# Pictures in which it was neither at the start nor at the end: fewer say nothing about the time between.
MIN_MOVING = 3
# Steps of the search for the ramp, ms; the last is finer than what is promised.
_STEPS_MS = (8.0, 2.0, 0.5, 0.1)


@dataclass(frozen=True, slots=True)
class Ramp:
    """When it began to move and when it was there, milliseconds after the command.

    `misfit` is the root mean square distance of the pictures from the ramp, as a share of the way.
    """

    began_ms: float
    reached_ms: float
    misfit: float
    samples: int


def progress(frames: Sequence[Frame], part: Box) -> NDArray[np.float64]:
    """Return how far a thing in a part of the picture has moved in each frame: 0 at the first, 1 at the last.

    Each frame is projected onto the straight line in picture space between the first two and the last two.

    Raises:
        CalibrationError: nothing moved in that part.
    """
    cut = [f.pixels[part.y : part.y + part.height, part.x : part.x + part.width].astype(np.float64) for f in frames]
    start, end = np.mean(cut[:2], axis=0), np.mean(cut[-2:], axis=0)
    way = end - start
    if float(np.abs(way).mean()) < MIN_CHANGE:
        raise CalibrationError(
            "nothing moved in the picture when the actuator was fired: check its plug and its supply, "
            "or that the right part of the picture is watched"
        )
    return np.array([float(((picture - start) * way).sum() / (way * way).sum()) for picture in cut])


def after_command_ms(frames: Sequence[Frame], commanded_at: int) -> NDArray[np.float64]:
    """Return each frame's exposure instant in milliseconds after the command."""
    return np.array([(frame.captured_at - commanded_at) / NS_PER_MS for frame in frames])


def fit_ramp(milliseconds: NDArray[np.float64], way: NDArray[np.float64]) -> Ramp:
    """Fit 0, then a straight line, then 1 to the pictures of all strokes, (n,) each, by least squares.

    Raises:
        CalibrationError: too few pictures show it on its way.
    """
    moving = int(((way > 0.1) & (way < 0.9)).sum())
    if moving < MIN_MOVING:
        raise CalibrationError(
            f"only {moving} pictures show the actuator on its way, at least {MIN_MOVING} are needed: "
            "raise camera.frames_per_s, or fire it more often (--repeats)"
        )
    first, last = float(milliseconds[way > 0.1].min()), float(milliseconds[way < 0.9].max())
    best = (first, max(last, first + 1.0))
    for step in _STEPS_MS:
        around = np.arange(-12, 13) * step
        candidates = [(best[0] + a, best[1] + b) for a in around for b in around if best[1] + b > best[0] + a + 0.05]
        best = min(candidates, key=lambda ends: _misfit(milliseconds, way, ends))
    return Ramp(best[0], best[1], _misfit(milliseconds, way, best) ** 0.5, len(way))


def _misfit(milliseconds: NDArray[np.float64], way: NDArray[np.float64], ends: tuple[float, float]) -> float:
    ramp = np.clip((milliseconds - ends[0]) / (ends[1] - ends[0]), 0.0, 1.0)
    return float(((ramp - way) ** 2).mean())
