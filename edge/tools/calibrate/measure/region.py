"""Where the belt is in the picture: what changes while it runs is belt, what does not is the machine around it."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.errors import CalibrationError
from edge.types import Box, Image

# Rows that change by less than this share of the usual row belong to the machine.
STILL_SHARE = 0.6
# Pixels that are left out along a found edge: belts wander.
GUARD = 3
# Standard deviation of a row below which not even the belt changes.
LEAST_CHANGE = 0.8


def find_region(pictures: Sequence[Image], along: Box, *, sideways: bool) -> Box:
    """Return the belt's part of some pictures of it running; along the belt the extent of `along` is kept.

    Keeping that leaves the decision line where it is, which all distances of the station count from.

    Raises:
        CalibrationError: nothing changes in the picture, or hardly any of it does.
    """
    # Smoothing takes away the sensor's noise, and of the belt's pattern hardly anything.
    greys = np.array([cv2.blur(cv2.cvtColor(p, cv2.COLOR_RGB2GRAY).astype(np.float32), (5, 5)) for p in pictures])
    # Lamps change all of the picture alike; that is no motion.
    greys *= (greys.mean() / greys.mean(axis=(1, 2)))[:, None, None]
    changes = greys.std(axis=0)
    across, down = slice(along.x, along.x + along.width), slice(along.y, along.y + along.height)
    changes = changes[:, across] if sideways else changes[down].T
    rows = np.percentile(changes, 25, axis=1)
    usual = float(np.median(rows))
    if usual < LEAST_CHANGE:
        raise CalibrationError(
            "nothing changes in the picture: is the belt running? A belt without any pattern shows no motion; then give "
            "the region with --region X Y WIDTH HEIGHT"
        )
    first, last = _longest_run(rows >= STILL_SHARE * usual)
    first, last = first + (GUARD if first else 0), last - (GUARD if last < len(rows) else 0)
    if last - first < 32:
        raise CalibrationError("the belt is too narrow in the picture: bring the camera nearer, or give --region")
    if sideways:
        return Box(along.x, first, along.width, last - first)
    return Box(first, along.y, last - first, along.height)


def _longest_run(wanted: NDArray[np.bool_]) -> tuple[int, int]:
    """Return begin and end of the longest run of True; single rows that differ do not break it."""
    closed = cv2.morphologyEx(wanted.astype(np.uint8)[:, None], cv2.MORPH_CLOSE, np.ones((9, 1), np.uint8))[:, 0]
    edges = np.flatnonzero(np.diff(np.concatenate([[0], closed, [0]])))
    runs = list(zip(edges[::2], edges[1::2], strict=True))
    first, last = max(runs, key=lambda run: run[1] - run[0])
    return int(first), int(last)
