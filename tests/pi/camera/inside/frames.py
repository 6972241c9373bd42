"""Take frames of one size for a while: `frames.py WIDTH HEIGHT COUNT`."""

import sys
from itertools import pairwise
from statistics import median
from typing import Any

import numpy as np
from asked import CLOCK, answer, descriptors, opened

LOOKED_AT = 200
PAUSE_NS = 1_500_000_000


def left_edge(pixels: Any) -> float | None:
    """Where the green square begins, as a share of the picture's width."""
    columns = np.flatnonzero((pixels[:, :, 1].astype(int) - pixels[:, :, 0] > 100).any(axis=0))
    return float(columns[0] / pixels.shape[1]) if len(columns) else None


width, height, count = map(int, sys.argv[1:])
camera = opened(width=width, height=height)
stamps, ages, places, open_files, shapes = [], [], [], [], set()
for number in range(count):
    frame = camera.borrow()
    stamps.append(frame.captured_at)
    ages.append((CLOCK.now() - frame.captured_at) / 1e6)
    shapes.add((frame.pixels.shape, None if frame.small is None else frame.small.shape))
    if number < LOOKED_AT:
        places.append((left_edge(frame.pixels), None if frame.small is None else left_edge(frame.small)))
    frame.give_back()
    if number % 100 == 50:
        open_files.append(descriptors())
CLOCK.sleep_until(CLOCK.now() + PAUSE_NS)  # as long as nobody looks
after_pause_ms = (CLOCK.now() - camera.read().captured_at) / 1e6
camera.close()
answer(
    shapes=sorted(shapes, key=repr),
    strictly_newer=all(a < b for a, b in pairwise(stamps)),
    rate=(count - 1) / (stamps[-1] - stamps[0]) * 1e9,
    age_ms={"least": min(ages), "median": median(ages), "most": max(ages)},
    age_after_pause_ms=after_pause_ms,
    places=places,
    descriptors=open_files,
)
