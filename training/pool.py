"""The pool of rendered views: what the frozen front makes of each, computed once and trained on many times."""

from __future__ import annotations

import json
import logging
import multiprocessing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from edge.bundle.preprocess import InputGeometry
from edge.types import Image
from training.backgrounds import Generator
from training.frozen import FloatRunner
from training.views import Mask, Surroundings, ViewSettings, make_view, nothing_view

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """One photo in memory; `label` is an index, or -1 for a picture that shows none of the labels."""

    photo: Image
    mask: Mask | None
    label: int


@dataclass(frozen=True)
class ViewPlan:
    """Which photo each view is made of (-1: of none, a bare background), and from which seed."""

    sources: np.ndarray
    seed: int

    def __len__(self) -> int:
        return len(self.sources)


@dataclass(frozen=True)
class Studio:
    """All that a view is rendered from; shared with the worker processes once, at their start."""

    sources: Sequence[Source]
    around: Surroundings
    geometry: InputGeometry
    settings: ViewSettings

    def view(self, plan: ViewPlan, index: int) -> Image:
        """The view `index` of a plan: the same on every machine and in every order."""
        rng: Generator = np.random.default_rng((plan.seed, index))
        source = int(plan.sources[index])
        if source < 0:
            return nothing_view(self.geometry, self.around, rng, self.settings.strength)
        chosen = self.sources[source]
        return make_view(chosen.photo, chosen.mask, self.geometry, self.around, rng, self.settings)


def plan_views(labels: np.ndarray, repeats: Sequence[float], rounds: int, nothing: float, seed: int) -> ViewPlan:
    """Plan `rounds` rounds: in each, photo i appears `repeats[i]` times on average; a share `nothing` shows none."""
    rng = np.random.default_rng(seed)
    chosen: list[np.ndarray] = []
    expected = np.asarray(repeats, np.float64)
    for _ in range(rounds):
        times = np.floor(expected + rng.random(len(labels))).astype(int)
        views = np.repeat(np.arange(len(labels)), times)
        views = np.concatenate([views, np.full(round(nothing * len(views)), -1)])
        chosen.append(rng.permutation(views))
    return ViewPlan(np.concatenate(chosen), seed)


@dataclass(frozen=True)
class Pool:
    """Outputs of the frozen network, float16, one row a view: activations, features (1280), ImageNet scores (1000)."""

    activations: np.ndarray
    features: np.ndarray
    imagenet: np.ndarray

    def __len__(self) -> int:
        return len(self.activations)


_FILES = ("activations", "features", "imagenet")
_worker: dict[str, object] = {}


def _start_worker(studio: Studio, plan: ViewPlan, model: bytes, folder: Path) -> None:
    cv2.setNumThreads(1)
    _worker.update(
        studio=studio,
        plan=plan,
        runner=FloatRunner(model),
        files=[np.load(folder / f"{name}.npy", mmap_mode="r+") for name in _FILES],
    )


def _render(span: tuple[int, int]) -> tuple[int, int]:
    studio, plan, runner, files = (_worker[name] for name in ("studio", "plan", "runner", "files"))
    assert isinstance(studio, Studio)
    assert isinstance(plan, ViewPlan)
    assert isinstance(runner, FloatRunner)
    assert isinstance(files, list)
    for index in range(*span):
        for file, output in zip(files, runner.run(studio.view(plan, index)), strict=True):
            file[index] = output
    return span


def render_pool(
    studio: Studio, plan: ViewPlan, model: bytes, folder: Path, processes: int, on_progress: Callable[[int], None]
) -> Pool:
    """Render all views of a plan; spans that an interrupted run finished are not rendered again."""
    folder.mkdir(parents=True, exist_ok=True)
    ledger = folder / "done.json"
    done: set[int] = set()
    if ledger.is_file():
        done = set(json.loads(ledger.read_text()))
    else:
        shapes = [
            output.shape
            for output in FloatRunner(model).run(np.zeros((studio.geometry.height, studio.geometry.width, 3), np.uint8))
        ]
        for name, shape in zip(_FILES, shapes, strict=True):
            np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.float16, (len(plan), *shape)).flush()
    spans = [(start, min(start + 128, len(plan))) for start in range(0, len(plan), 128)]
    missing = [span for span in spans if span[0] not in done]
    on_progress(sum(end - start for start, end in spans if start in done))
    if missing:
        # A forked interpreter hangs: XNNPACK's threads do not come along.
        context = multiprocessing.get_context("spawn")
        with context.Pool(processes, _start_worker, (studio, plan, model, folder)) as pool:
            for span in pool.imap_unordered(_render, missing):
                done.add(span[0])
                partial = ledger.with_suffix(".part")
                partial.write_text(json.dumps(sorted(done)))
                partial.rename(ledger)
                on_progress(span[1] - span[0])
    return Pool(*(np.load(folder / f"{name}.npy", mmap_mode="r") for name in _FILES))
