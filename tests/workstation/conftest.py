"""A tiny data set of drawn objects and one run over it, shared by the tests of the workstation's commands."""

from __future__ import annotations

import fcntl
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from support.drawn_photos import draw_photo, write_photo
from support.drawn_weights import write_drawn_weights

if TYPE_CHECKING:
    from converter.convert import Converted

RECIPE = """
name = "tiny"
labels = ["disc", "square"]
rounds = 2
nothing = 0.1
[[train]]
list = "board/train.txt"
licence = "MIT"
[[left_out]]
tree = "yard"
label_map = { disc = "disc", square = "square", stick = "none" }
[[validation]]
list = "board/val.txt"
[network]
weights = "weights.npz"
size = 64
frozen_blocks = 11
[fit]
cycles = [1, 1]
batch = 8
alphas = [1.0]
average = 2
"""


Once = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """Have a folder made once for all processes that test; who comes second waits for the first. Only to be read."""
    top = tmp_path_factory.getbasetemp()
    top = top.parent if "PYTEST_XDIST_WORKER" in os.environ else top

    def made(name: str, make: Callable[[Path], object]) -> Path:
        place, done = top / name, top / f"{name}.made"
        with (top / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                place.mkdir()  # fails where the first one failed
                make(place)
                done.touch()
        return place

    return made


@pytest.fixture(scope="session")
def tiny_data(once: Once) -> Path:
    """board/LABEL/*.jpg with train.txt (16) and val.txt (8)."""
    return once("tiny", draw_tiny_data)


def draw_tiny_data(root: Path) -> None:
    for part, seeds in (("train", range(8)), ("val", range(8, 12))):
        names = [f"{label}/{label}{seed}.jpg" for label in ("disc", "square") for seed in seeds]
        for name in names:
            write_photo(
                root / "board" / name, draw_photo(name.split("/")[0], int(name[:-4].split("e")[-1].split("c")[-1]))
            )
        (root / "board" / f"{part}.txt").write_text("\n".join(names) + "\n")
    for label, seeds in (("disc", range(12, 15)), ("square", range(12, 15)), ("stick", range(2))):
        for seed in seeds:
            write_photo(root / "yard" / label / f"{seed}.jpg", draw_photo(label, seed) // 2)
    views = [cv2.resize(draw_photo(label, seed), (64, 64)) for label in ("disc", "square") for seed in range(8)]
    write_drawn_weights(root / "weights.npz", np.stack(views))
    (root / "tiny.toml").write_text(RECIPE)


@pytest.fixture(scope="session")
def tiny_run(tiny_data: Path, once: Once) -> Path:
    """A finished run over the tiny data."""
    from training.fitting.train import train
    from training.recipe import load_recipe
    from training.run_folder import Run

    recipe = load_recipe(str(tiny_data / "tiny.toml"))
    return once("tiny-run", lambda folder: train(recipe, tiny_data, Run(folder), 1, lambda *_: None))


@pytest.fixture(scope="session")
def converted(tiny_run: Path, tiny_data: Path, once: Once) -> Converted:
    """What the run converts to."""
    from converter.convert import ConvertOptions, convert
    from training.run_folder import Run

    def make(folder: Path) -> None:
        options = ConvertOptions(version="1.0", representative=16, force=True)
        (folder / "converted").write_bytes(pickle.dumps(convert(Run(tiny_run), tiny_data, options, lambda _: None)))

    made: Converted = pickle.loads((once("tiny-converted", make) / "converted").read_bytes())
    return made
