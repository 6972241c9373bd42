"""One inference of the shipped bundle against an int8 MobileNetV2 1.0/224 from the same converter, one thread.

    python benchmarks/invoke.py [BUNDLE]

Both run in turns in one process, in CPU time of the thread, so that whatever else the machine does is left out; the ratio of
the medians is what counts, the milliseconds are this machine's.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# This folder's training.py would be found before the package of that name.
sys.path[0] = str(Path(__file__).resolve().parents[1])

import keras  # noqa: E402
import numpy as np  # noqa: E402

from converter.quantize import check_operators, quantize_static  # noqa: E402
from edge.bundle.archive import open_bundle  # noqa: E402
from edge.inference.interpreter import Interpreter  # noqa: E402
from training.network.frozen_backbone import compile_float  # noqa: E402

LARGEST_RATIO = 1.25


def mobilenet() -> bytes:
    """MobileNetV2 1.0/224 with drawn weights: its speed does not depend on them."""
    keras.utils.set_random_seed(0)
    network = keras.applications.MobileNetV2((224, 224, 3), weights=None, classes=1000, classifier_activation=None)
    views = np.random.default_rng(0).integers(0, 256, (4, 224, 224, 3)).astype(np.uint8)
    model = quantize_static(compile_float(network), views)
    check_operators(model)
    return model


def main() -> None:
    """Print both medians and their ratio."""
    shipped = sorted((Path(__file__).parents[1] / "edge" / "model").glob("*.sorter"))
    bundle = open_bundle(Path(sys.argv[1]) if len(sys.argv) > 1 else shipped[-1])
    models = {bundle.manifest.title: bundle.model, "MobileNetV2 1.0/224": mobilenet()}
    interpreters = {name: Interpreter(model, name) for name, model in models.items()}
    image = np.random.default_rng(1).integers(0, 256, (224, 224, 3)).astype(np.uint8)
    took: dict[str, list[int]] = {name: [] for name in interpreters}
    for _ in range(300):
        for name, interpreter in interpreters.items():
            started = time.thread_time_ns()
            interpreter.run(image)
            took[name].append(time.thread_time_ns() - started)
    medians = {name: statistics.median(values[20:]) / 1e6 for name, values in took.items()}
    for name, milliseconds in medians.items():
        print(f"{name}: {milliseconds:.2f} ms, {len(models[name]) / 1e6:.2f} MB")
    mine, reference = medians.values()
    print(f"ratio: {mine / reference:.3f} (at most {LARGEST_RATIO})")


if __name__ == "__main__":
    main()
