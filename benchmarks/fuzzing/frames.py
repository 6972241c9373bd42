"""Frames of any size and form in the middle of a run."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edge.clock import ms
from edge.config import load_station
from edge.tools.simulate.build import Conditions, build_virtual_run
from edge.types import Frame
from fuzzing.case import Case
from fuzzing.examples import STATIONS

SIZES = (0, 1, 2, 63, 64, 480, 640, 4096)


def frame(folder: Path) -> Callable[[Case], None]:
    """Nothing may be fired for a frame that is none."""
    demo = load_station(STATIONS / "demo.toml")

    def run(case: Case) -> None:
        begun = build_virtual_run(demo, Conditions())
        begun.run(0.1)
        station, clock = begun.station, begun.clock
        clock.advance_to(clock.now() + ms(33))
        pixels = _pixels(case.chance)
        station.intake.process(Frame(pixels, clock.now() + case.chance.randint(-(10**12), 10**12), 7))
        station.schedule.run_due(clock.now())
        whole = pixels.shape == (480, 640, 3)
        assert whole or station.health.inhibited, "strokes are not held after a frame that is none"

    return run


def _pixels(chance: random.Random) -> Any:
    match chance.randrange(6):
        case 0:
            shape: tuple[int, ...] = (chance.choice(SIZES), chance.choice(SIZES), 3)
        case 1:
            shape = (480, 640, chance.choice((0, 1, 2, 4)))
        case 2:
            shape = (480, 640)
        case 3:  # a view, not contiguous
            return np.zeros((960, 1280, 3), np.uint8)[::2, ::2]
        case 4:
            return np.full((480, 640, 3), chance.choice((0, 255)), chance.choice((np.uint8, np.float32, np.int64)))
        case _:
            return np.random.default_rng(chance.randrange(1000)).integers(0, 256, (480, 640, 3), np.uint8)
    return np.zeros(shape, np.uint8)
