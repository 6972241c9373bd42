"""A tiny data set of drawn objects and one run over it, shared by the tests of the workstation's commands."""

from __future__ import annotations

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


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """board/LABEL/*.jpg with train.txt (16) and val.txt (8)."""
    root = tmp_path_factory.mktemp("tiny")
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
    return root


@pytest.fixture(scope="session")
def tiny_run(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run over the tiny data."""
    from training.fitting.train import train
    from training.recipe import load_recipe
    from training.run_folder import Run

    folder = tmp_path_factory.mktemp("run")
    train(load_recipe(str(tiny_data / "tiny.toml")), tiny_data, Run(folder), 1, lambda *_: None)
    return folder


@pytest.fixture(scope="session")
def converted(tiny_run: Path, tiny_data: Path) -> Converted:
    """What the run converts to."""
    from converter.convert import ConvertOptions, convert
    from training.run_folder import Run

    return convert(
        Run(tiny_run), tiny_data, ConvertOptions(version="1.0", representative=16, force=True), lambda _: None
    )
