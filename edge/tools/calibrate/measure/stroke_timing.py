"""How long a diverter takes from command to position, from pictures of it.

One stroke lasts one or two frames, too short to be seen moving. So it is fired several times at different
phases of the frame clock, and the pictures of all strokes are put on one time axis that begins with the
command: equivalent-time sampling, as an oscilloscope does it. Nothing is assumed of how it moves (it swings, slides
or turns): it has begun when the picture is no longer that of the start, and is there when the picture is that
of the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.clock import NS_PER_MS
from edge.errors import CalibrationError
from edge.types import Box, Frame, Image

Floats = NDArray[np.float64]

# Grey levels by which an arm must change the pixels that it covers or uncovers.
MIN_CHANGE = 14.0
# So many pixels must change: less is a shadow or a fly.
MIN_PIXELS = 60
# Pictures in which it was neither at the start nor at the end: fewer say nothing about the time between.
MIN_MOVING = 3
# Standard deviations of the noise above which two pictures differ.
SIGNIFICANT = 6.0
# From this share of the time on it is taken to be at rest.
REST_SHARE = 0.6


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture of a stroke: milliseconds after its command, and how far it is from start and end of the way.

    Both distances are mean squared differences of grey levels over the moving part.
    """

    stroke: int
    after_ms: float
    from_start: float
    from_end: float


@dataclass(frozen=True, slots=True)
class Travel:
    """When it began to move and when it was there, milliseconds after the command.

    Attributes:
        spread_ms: standard deviation from stroke to stroke.
        within_ms: by how much `reached_ms` may be off, from how densely the pictures lie.
        moving: pictures that show it on its way.
    """

    began_ms: float
    reached_ms: float
    spread_ms: float
    within_ms: float
    moving: int


def find_moving(start: Sequence[Image], end: Sequence[Image]) -> Box:
    """Return the part of the picture that differs between two positions.

    Raises:
        CalibrationError: nothing moved.
    """
    first, last = (np.mean([p.mean(axis=2) for p in pictures], axis=0) for pictures in (start, end))
    changed = np.abs(last - first) > MIN_CHANGE
    if int(changed.sum()) < MIN_PIXELS:
        raise CalibrationError(
            "nothing moved in the picture: check its plug, its supply and its pin, and that it is in the camera's view"
        )
    rows, columns = np.nonzero(changed.any(axis=1))[0], np.nonzero(changed.any(axis=0))[0]
    height, width = changed.shape
    x, y = max(0, int(columns[0]) - 4), max(0, int(rows[0]) - 4)
    return Box(x, y, min(width, int(columns[-1]) + 5) - x, min(height, int(rows[-1]) + 5) - y)


def part_of(frame: Frame, part: Box) -> Floats:
    """Return the moving part as grey levels, (height, width)."""
    cut: Floats = frame.pixels[part.y : part.y + part.height, part.x : part.x + part.width].mean(axis=2)
    return cut


def take_shots(stroke: int, frames: Sequence[tuple[float, Floats]], start: Floats, end: Floats) -> list[Shot]:
    """Compare the pictures of one stroke, (milliseconds after the command, part), with start and end of the way."""
    return [
        Shot(stroke, after, float(((p - start) ** 2).mean()), float(((p - end) ** 2).mean())) for after, p in frames
    ]


def after_command_ms(frame: Frame, commanded_at: int) -> float:
    """Return a frame's exposure instant in milliseconds after the command."""
    return (frame.captured_at - commanded_at) / NS_PER_MS


def fit_travel(shots: Sequence[Shot]) -> Travel:
    """Find begin and end of the movement from the pictures of all strokes.

    Raises:
        CalibrationError: too few pictures show it on its way, or it never came to rest.
    """
    shots = sorted(shots, key=lambda shot: shot.after_ms)
    times = np.array([shot.after_ms for shot in shots])
    settles_at = REST_SHARE * times[-1]
    gone = _limit([shot.from_start for shot in shots if shot.after_ms < 0])
    there = _limit([shot.from_end for shot in shots if shot.after_ms > settles_at])
    # Lamps and noise change a little all the time, so both limits must stay far below a real difference.
    has_left = (times >= 0) & (np.array([shot.from_start for shot in shots]) > gone)
    not_there = np.array([shot.from_end for shot in shots]) > there
    moving = [shots[n] for n in np.flatnonzero(has_left & not_there)]
    if len(moving) < MIN_MOVING:
        raise CalibrationError(
            f"only {len(moving)} pictures show the actuator on its way, at least {MIN_MOVING} are needed: "
            "raise camera.frames_per_s, or fire it more often (--repeats)"
        )
    first_away, last_away = float(times[has_left][0]), float(times[not_there][-1])
    after, still = times[times > last_away], times[times < first_away]
    if not after.size or last_away > settles_at:
        raise CalibrationError(
            "it had not come to rest when the last picture was taken: it swings, or is slower than 1 s"
        )
    arrived = float(after[0])
    return Travel(
        began_ms=max(0.0, ((float(still[-1]) if still.size else 0.0) + first_away) / 2),
        reached_ms=(last_away + arrived) / 2,
        spread_ms=_spread(moving),
        within_ms=(arrived - last_away) / 2,
        moving=len(moving),
    )


def _limit(noise: Sequence[float]) -> float:
    """Return the distance above which a picture is another one, from those that are the same."""
    if len(noise) < 3:
        raise CalibrationError("too few pictures of the actuator at rest: raise camera.frames_per_s, or --repeats")
    return float(np.mean(noise) + SIGNIFICANT * max(float(np.std(noise)), 0.02 * float(np.mean(noise)), 1e-6))


def _spread(moving: Sequence[Shot]) -> float:
    """Return how much strokes differ in time: each picture on the way against the curve of all the others."""
    if len(moving) < 2 * MIN_MOVING:
        return 0.0
    off: dict[int, list[float]] = {}
    for n, shot in enumerate(moving):
        others = [s for m, s in enumerate(moving) if m != n]
        way = np.array([_way(s) for s in others])
        order = np.argsort(way)
        usual = float(np.interp(_way(shot), way[order], np.array([s.after_ms for s in others])[order]))
        off.setdefault(shot.stroke, []).append(shot.after_ms - usual)
    return float(np.std([float(np.mean(values)) for values in off.values()]))


def _way(shot: Shot) -> float:
    """Return 0 to 1, growing with the way: how much nearer the end's picture is than the start's."""
    return shot.from_start / max(shot.from_start + shot.from_end, 1e-9)
