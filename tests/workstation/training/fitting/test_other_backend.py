"""A run made by JAX, where TensorFlow can't be imported at all, is one that TensorFlow's Keras opens."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from training.run_folder import Run

WITHOUT_TENSORFLOW = """
import sys

sys.modules["tensorflow"] = None
from edge.__main__ import main

if __name__ == "__main__":
    main()
"""


def test_jax_trains_without_tensorflow(tiny_data: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "jax.toml"
    text = (tiny_data / "tiny.toml").read_text().replace("frozen_blocks = 11", "frozen_blocks = 15")
    recipe.write_text(text.replace("cycles = [1, 1]", "cycles = [1]"))
    script = tmp_path / "without.py"
    script.write_text(WITHOUT_TENSORFLOW)
    made = subprocess.run(
        [sys.executable, str(script), "train", str(recipe), "--data", str(tiny_data), "--run", str(tmp_path / "run"),
         "--processes", "1"],
        env={**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(Path(__file__).parents[4])},
        check=False, capture_output=True, text=True, timeout=1800,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr[-3000:]
    run = Run(tmp_path / "run")
    assert run.read()["backend"] == "jax"
    scores = run.load_network().predict(np.zeros((1, 64, 64, 3), np.float32), verbose=0)
    assert scores.shape == (1, 2)
    assert np.isfinite(scores).all()
