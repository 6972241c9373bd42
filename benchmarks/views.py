"""How looks at one item are fused best, and how much of the surroundings a look should show.

    python benchmarks/views.py [--photos DIR|LIST] [--bundle B] [--seconds 60] [--mm-per-pixel 0.5] [--seeds 1 2 3]

The items ride on the demo station's simulated belt, with other items and other places for each seed; all ways are judged
by the same looks. `at the thresholds` is what the bundle's own ones accept; `at 97 %` is the most recovery that one threshold
for all labels, chosen in hindsight, gives at that purity, which asks how a way ranks its items and not how sure it is.
Loss is that of the true label, at the bundle's temperature. The last column is the temperature that would fit best on
top: where it is the same for any number of looks, their mean needs no sharpening.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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
from edge.system.statistics import fit_temperature, log_softmax

MOST = 3
MARGINS = (0.05, 0.15, 0.3)
PURITY = 0.97
RESIDUAL = "trash"
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Looks:
    """Items' true labels (n,), and of their looks calibrated log-probabilities (n, looks, labels) and strangeness (n, looks)."""

    truth: NDArray[np.int64]
    log: Floats
    strangeness: Floats


def _best(log: Floats) -> Floats:
    return np.take_along_axis(log, log.max(axis=2).argmax(axis=1)[:, None, None], axis=1)[:, 0]


def _weighted(log: Floats) -> Floats:
    sure = np.exp(log).max(axis=2, keepdims=True)
    return np.asarray((log * sure).sum(axis=1) / sure.sum(axis=1))


FUSIONS: Mapping[str, Callable[[Floats], Floats]] = {
    "mean of log-probabilities": lambda log: log.mean(axis=1),
    "product of probabilities": lambda log: log.sum(axis=1),
    "mean of probabilities": lambda log: np.log(np.exp(log).mean(axis=1)),
    "mean weighted by sureness": _weighted,
    "the surest look alone": _best,
}


def station(options: argparse.Namespace, seed: int) -> Station:
    """Return the demo's belt, full, at the given scale and with the given photos."""
    from edge.tools.simulate.simulated_station import Changes, simulated_variant

    table: dict[str, Any] = load_station(DEMO_STATION).model_dump()
    table["belt"]["mm_per_pixel"] = options.mm_per_pixel
    table["inference"]["max_crops"] = MOST
    changes = Changes(seed=seed, photos=options.photos, items_per_min=100, min_gap_mm=30, frames_per_s=12)
    return simulated_variant(Station.model_validate(table), changes)


def collect(bundle: Bundle, chosen: Station, seconds: float) -> dict[float, Looks]:
    """Return what the network makes of every item's looks, by the margin that they are cut with."""
    from edge.sensing import build_trigger
    from edge.simulate.backend.camera import SimulatedCamera
    from edge.simulate.world.world import World
    from edge.transport import build_belt

    clock = VirtualClock()
    world = World(chosen, clock)
    camera, trigger = SimulatedCamera(world, clock), build_trigger(chosen, build_belt(chosen))
    interpreter, manifest = open_interpreter(bundle, 1, "auto"), bundle.manifest
    geometries = {margin: manifest.geometry.model_copy(update={"margin": margin}) for margin in MARGINS}
    truth: list[int] = []
    codes: dict[float, list[Any]] = {margin: [] for margin in MARGINS}
    end = clock.now() + round(seconds * NS_PER_S)
    while clock.now() < end:
        for item in trigger.observe(camera.read()):
            if item.reject_reason is not None or len(item.crops) < MOST:
                continue
            best = item.crops[0]
            truth.append(manifest.labels.index(world.scene.label_at(best.in_frame.centre, best.captured_at)))
            for margin, geometry in geometries.items():
                looks = [interpreter.run(rotated_view(crop, n, geometry)) for n, crop in enumerate(item.crops)]
                codes[margin].append(looks)
    head, temperature = read_head(bundle), manifest.thresholds.temperature
    rows = {margin: np.array(of_items) for margin, of_items in codes.items()}
    return {
        margin: Looks(np.array(truth), log_softmax(head.logits(row), temperature), head.strangeness(row))
        for margin, row in rows.items()
    }


def judge(bundle: Bundle, truth: NDArray[np.int64], fused: Floats, strangeness: Floats) -> list[float]:
    """Return accuracy, loss, purity and recovery at the bundle's thresholds, recovery at 97 % and the best temperature."""
    labels, thresholds = bundle.manifest.labels, bundle.manifest.thresholds
    log = log_softmax(fused)
    found, sure, rows = log.argmax(axis=1), np.exp(log.max(axis=1)), np.arange(len(truth))
    right = found == truth
    own_bin = np.array([label != RESIDUAL for label in labels])
    belonging = own_bin[truth].sum()
    candidates = own_bin[found] & (strangeness <= 0)
    accepted = candidates & (sure >= np.array([thresholds.minimum_score[label] for label in labels])[found])
    order = np.argsort(-np.where(candidates, sure, -1.0), kind="stable")[: candidates.sum()]
    hits = np.cumsum(right[order])
    pure = np.flatnonzero(hits >= PURITY * np.arange(1, len(hits) + 1))
    return [
        float(right.mean()),
        float(-log[rows, truth].mean()),
        float(right[accepted].mean()),
        float(right[accepted].sum() / belonging),
        float(hits[pure[-1]] / belonging) if pure.size else 0.0,
        fit_temperature(log, truth),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--mm-per-pixel", type=float, default=0.5)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    options = parser.parse_args()
    bundle = open_bundle(options.bundle or shipped_bundle_path())
    runs = [collect(bundle, station(options, seed), options.seconds) for seed in options.seeds]
    own = min(MARGINS, key=lambda margin: abs(margin - bundle.manifest.geometry.margin))
    print(f"{sum(len(run[own].truth) for run in runs)} items with {MOST} looks; mean over seeds {options.seeds}")
    print(f"{'':42}  named  loss   purity recovery  at 97 %  temperature")
    for margin in MARGINS:
        report(
            bundle, f"margin {margin}, one look", [run[margin] for run in runs], 1, FUSIONS["mean of log-probabilities"]
        )
    for count in range(2, MOST + 1):
        for name, fuse in FUSIONS.items():
            report(bundle, f"{count} looks, {name}", [run[own] for run in runs], count, fuse)
    for margin in MARGINS:
        report(
            bundle,
            f"margin {margin}, {MOST} looks, mean of log",
            [run[margin] for run in runs],
            MOST,
            FUSIONS["mean of log-probabilities"],
        )


def report(bundle: Bundle, name: str, runs: list[Looks], count: int, fuse: Callable[[Floats], Floats]) -> None:
    """Print the means over the seeds for one way."""
    figures = [
        judge(bundle, run.truth, fuse(run.log[:, :count]), run.strangeness[:, :count].mean(axis=1)) for run in runs
    ]
    named, loss, purity, recovery, at_purity, temperature = np.mean(figures, axis=0)
    low, high = np.min(figures, axis=0)[4], np.max(figures, axis=0)[4]
    print(
        f"{name:42} {named:6.1%} {loss:6.3f} {purity:7.1%} {recovery:7.1%} {at_purity:9.1%} ({low:.0%} to {high:.0%}) "
        f"{temperature:6.2f}"
    )


if __name__ == "__main__":
    main()
