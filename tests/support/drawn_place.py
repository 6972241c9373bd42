"""A small simulated belt whose things are plain colours, and a base that the tiny network was given a head for.

The base calls red paper, green glass and blue metal. Here paper is blue, metal red, and green things are cups, which it does
not know: what it is taught is told from what it knew before by every item.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from support.drawn_photos import write_photo
from support.stations import BELT, write_station
from support.taught import headed_bundle

from edge.bundle.archive import bundle_bytes, open_bundle
from edge.bundle.geometry import InputGeometry
from edge.bundle.preprocess import prepare_crop
from edge.clock import SystemClock
from edge.config import load_station
from edge.models.install import Device, activate, prove
from edge.models.select import open_store
from edge.models.trust import trust_of
from edge.teaching.shown import ShownItems
from edge.types import Box

HERE = {"paper": (20, 60, 200), "metal": (190, 40, 30), "cup": (30, 170, 50)}
ITEMS = 6
"""Of each label: from five on, what all of a label share does not make them near-duplicates of one item."""
GEOMETRY = InputGeometry(height=32, width=32, margin=0.1)


def draw_thing(colour: tuple[int, int, int], seed: int) -> np.ndarray:
    """A disc on a light board, RGB, 96 x 128."""
    rng = np.random.default_rng(seed)
    board = np.full((96, 128, 3), 215, np.float32) + rng.normal(0, 2, (96, 128, 1))
    shade = rng.integers(-15, 15, 3)
    cv2.circle(board, (64, 48), int(rng.integers(24, 32)), [float(c) for c in np.add(colour, shade)], -1)
    return np.clip(board, 0, 255).astype(np.uint8)


def show_pictures(shown: ShownItems, label: str, items: int = ITEMS) -> None:
    """Keep pictures of things as if they had been shown to the station."""
    for seed in range(items):
        picture = prepare_crop(draw_thing(HERE[label], 100 + seed), Box(32, 16, 64, 64), GEOMETRY)
        shown.keep(label, "20261128T022459Z", [picture])


def write_place(folder: Path, tiny_bundle: Callable[..., bytes]) -> tuple[Path, Path]:
    """Write photos, base and station; return the paths of the station file and of the base."""
    for label, colour in HERE.items():
        for seed in range(8):
            write_photo(folder / "photos" / label / f"{seed}.png", draw_thing(colour, seed))
    base = folder / "tiny-2.0.sorter"
    base.write_bytes(bundle_bytes(headed_bundle(tiny_bundle)))
    return write_place_station(folder, tuple(HERE)), base


def write_running_place(folder: Path, tiny_bundle: Callable[..., bytes], **changes: object) -> Path:
    """Write the same with the base at work, and nothing waiting for cups yet; return the path of the station file."""
    _, base = write_place(folder, tiny_bundle)
    file = write_place_station(folder, ("paper", "metal"), **changes)
    station = load_station(file)
    device = Device(open_store(station), station, trust_of(station), SystemClock())
    evidence = prove(open_bundle(base), device)
    device.store.add(base.read_bytes(), evidence)
    activate(device, evidence.digest, "for this test")
    return file


def write_place_station(folder: Path, labels: Sequence[str], **changes: object) -> Path:
    """Write the station file, with a bin for each of these labels."""
    return write_station(
        folder,
        BELT,
        state_folder=folder / "state",
        simulation={"photos": str(folder / "photos")},
        inference={"allow_unsigned": True, "max_crops": 1},
        actuators=[
            {"name": f"flap-{label}", "type": "digital", "pin": pin}
            for label, pin in zip(labels, (17, 27, 22), strict=False)
        ],
        bins=[
            *(
                {"name": label, "labels": [label], "actuator": f"flap-{label}", "distance_mm": 400 + 200 * n}
                for n, label in enumerate(labels)
            ),
            {"name": "residual", "labels": ["glass"]},
        ],
        **changes,
    )
