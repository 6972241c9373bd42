"""How much several views of one item tell more than one: accuracy and best temperature by the number of views fused.

    python benchmarks/views.py [--photos DIR|LIST] [--bundle B] [--seconds 60] [--mm-per-pixel 0.5] [--seed 1]

The items ride on the demo station's simulated belt. Where the same temperature fits best for any number of views, the
mean of their log-probabilities needs no sharpening; where it falls with the number, views are worth more than that.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.bundle.archive import Bundle, open_bundle
from edge.bundle.head import read_head
from edge.cli.commands.simulate import DEMO_STATION
from edge.clock import NS_PER_S, VirtualClock
from edge.config import Station, load_station
from edge.inference.classifier import rotated_view, shipped_bundle_path
from edge.inference.interpreter import open_interpreter
from edge.system.statistics import log_softmax

MOST = 6
TEMPERATURES = np.linspace(0.3, 3.0, 55)
Logits = NDArray[np.float64]


def station(options: argparse.Namespace) -> Station:
    """Return the demo's belt, full, at the given scale and with the given photos."""
    from edge.tools.simulate.simulated_station import Changes, simulated_variant

    table: dict[str, Any] = load_station(DEMO_STATION).model_dump()
    table["belt"]["mm_per_pixel"] = options.mm_per_pixel
    table["inference"]["max_crops"] = MOST
    changes = Changes(seed=options.seed, photos=options.photos, items_per_min=100, min_gap_mm=30, frames_per_s=12)
    return simulated_variant(Station.model_validate(table), changes)


def collect(bundle: Bundle, chosen: Station, seconds: float) -> tuple[list[int], list[Logits]]:
    """Return the true label's index of each item, and the network's log-probabilities of its views at temperature 1."""
    from edge.sensing import build_trigger
    from edge.simulate.backend.camera import SimulatedCamera
    from edge.simulate.world.world import World
    from edge.transport import build_belt

    clock = VirtualClock()
    world = World(chosen, clock)
    camera, trigger = SimulatedCamera(world, clock), build_trigger(chosen, build_belt(chosen))
    interpreter, head, manifest = open_interpreter(bundle, 1, "auto"), read_head(bundle), bundle.manifest
    truth, views = [], []
    end = clock.now() + round(seconds * NS_PER_S)
    while clock.now() < end:
        for item in trigger.observe(camera.read()):
            if item.reject_reason is not None or not item.crops:
                continue
            best = item.crops[0]
            truth.append(manifest.labels.index(world.scene.label_at(best.in_frame.centre, best.captured_at)))
            codes = [interpreter.run(rotated_view(crop, n, manifest.geometry)) for n, crop in enumerate(item.crops)]
            views.append(log_softmax(head.logits(np.array(codes))))
    return truth, views


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--mm-per-pixel", type=float, default=0.5)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    bundle = open_bundle(options.bundle or shipped_bundle_path())
    truth, views = collect(bundle, station(options), options.seconds)
    if not truth:
        raise SystemExit("no item crossed the line: give more --seconds")
    right, rows = np.array(truth), np.arange(len(truth))
    agreeing = np.mean([len(set(item.argmax(axis=1).tolist())) == 1 for item in views])
    print(f"{len(truth)} items; all views of one agree on its label for {agreeing:.1%} of them")
    print(f"the bundle's temperature is {bundle.manifest.thresholds.temperature:.2f}")
    for count in (1, 2, 3, MOST):
        fused = np.array([item[:count].mean(axis=0) for item in views])
        losses = [float(-log_softmax(fused, t)[rows, right].mean()) for t in TEMPERATURES]
        best = int(np.argmin(losses))
        accuracy = float((fused.argmax(axis=1) == right).mean())
        print(
            f"{count} views: accuracy {accuracy:.1%}, best temperature {TEMPERATURES[best]:.2f}, loss {losses[best]:.3f}"
        )


if __name__ == "__main__":
    main()
