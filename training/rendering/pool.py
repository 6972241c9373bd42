"""The pool of rendered views: what the frozen front makes of each, computed once and trained on many times."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge.bundle.preprocess import InputGeometry
from edge.types import Image
from training.dataset.photos import load_small
from training.network.runner import FloatRunner, Front
from training.rendering.backgrounds import Generator
from training.rendering.cutouts import unpack_mask
from training.rendering.views import Mask, Surroundings, ViewSettings, make_view, nothing_view, whole_mask

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """One photo, in memory or to be read when it is needed; `label` is an index, or -1: it shows none of the labels.

    The mask is an array, or one packed by `cv2.imencode`; where `filled`, the object fills the whole photo.
    """

    photo: Image | Path
    mask: Mask | bytes | None
    label: int
    filled: bool = False

    @property
    def is_cut(self) -> bool:
        """Whether the object can be laid on another background."""
        return self.filled or self.mask is not None

    def load(self) -> tuple[Image, Mask | None]:
        """The photo's pixels and its object's mask."""
        photo = load_small(self.photo) if isinstance(self.photo, Path) else self.photo
        if self.filled:
            return photo, whole_mask(photo)
        return photo, unpack_mask(self.mask) if isinstance(self.mask, bytes) else self.mask


@dataclass(frozen=True)
class ViewPlan:
    """Which photo each view is made of (-1: of none, a bare background), and from which seed."""

    sources: np.ndarray
    seed: int

    def __len__(self) -> int:
        return len(self.sources)


@dataclass(frozen=True)
class ViewRenderer:
    """All that a view is rendered from; handed to the worker processes once, at their start."""

    sources: Sequence[Source]
    around: Surroundings
    geometry: InputGeometry
    settings: ViewSettings

    def view(self, plan: ViewPlan, index: int) -> Image:
        """The view `index` of a plan: the same on every machine and in every order."""
        rng: Generator = np.random.default_rng((plan.seed, index))
        source = int(plan.sources[index])
        if source < 0:
            return nothing_view(self.geometry, self.around, rng, self.settings)
        photo, mask = self.sources[source].load()
        return make_view(photo, mask, self.geometry, self.around, rng, self.settings)


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
    """Outputs of the frozen network, float16, one row a view: activations, features, scores of its old classes.

    `teacher` holds the scores of a larger network for the recipe's own labels, where there is one.
    """

    activations: np.ndarray
    features: np.ndarray
    imagenet: np.ndarray
    teacher: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.activations)


_FILES = ("activations", "features", "imagenet", "teacher")
_SPAN = 128
_worker: dict[str, Any] = {}


def _start_worker(renderer: ViewRenderer, plan: ViewPlan, compiled: bytes | None) -> None:
    cv2.setNumThreads(1)
    _worker.update(renderer=renderer, plan=plan, runner=FloatRunner(compiled) if compiled is not None else None)


def _render(span: tuple[int, int]) -> tuple[int, list[np.ndarray]]:
    """The views of a span, or what the compiled front makes of them."""
    renderer: ViewRenderer = _worker["renderer"]
    views = (renderer.view(_worker["plan"], index) for index in range(*span))
    runner: FloatRunner | None = _worker["runner"]
    if runner is None:
        return span[0], [np.stack(list(views))]
    rows = [[part.astype(np.float16) for part in runner.run(view)] for view in views]
    return span[0], [np.stack(column) for column in zip(*rows, strict=True)]


def render_pool(
    renderer: ViewRenderer,
    plan: ViewPlan,
    front: bytes | Front,
    folder: Path,
    processes: int,
    on_progress: Callable[[int], None],
) -> Pool:
    """Render all views of a plan through the frozen front, see `render`."""
    return Pool(*render(renderer, plan, front, folder, processes, on_progress))


def render(  # noqa: PLR0913
    renderer: ViewRenderer,
    plan: ViewPlan,
    front: bytes | Front,
    folder: Path,
    processes: int,
    on_progress: Callable[[int], None],
    names: Sequence[str] = _FILES,
) -> list[np.ndarray]:
    """The front's outputs for all views of a plan, as files by these names that stay on the disk.

    Spans that an interrupted run finished are not rendered again. A front that is a compiled file runs in the processes beside the rendering; any other here, in batches.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ledger = folder / "done.json"
    done: set[int] = set(json.loads(ledger.read_text())) if ledger.is_file() else set()
    missing = [(at, min(at + _SPAN, len(plan))) for at in range(0, len(plan), _SPAN) if at not in done]
    on_progress(len(plan) - sum(end - start for start, end in missing))
    for start, outputs in _made(renderer, plan, front, missing, processes):
        _write(folder, dict(zip(names, outputs, strict=False)), start, len(plan))
        done.add(start)
        partial = ledger.with_suffix(".part")
        partial.write_text(json.dumps(sorted(done)))
        partial.rename(ledger)
        on_progress(len(outputs[0]))
    files = [folder / f"{name}.npy" for name in names]
    return [np.load(file, mmap_mode="r") for file in files if file.is_file()]


def _made(
    renderer: ViewRenderer, plan: ViewPlan, front: bytes | Front, spans: Sequence[tuple[int, int]], processes: int
) -> Iterator[tuple[int, Sequence[np.ndarray]]]:
    """The start and the front's outputs of each span, in the order in which they are ready."""
    if not spans:
        return
    compiled = front if isinstance(front, bytes) else None
    waiting = threading.Semaphore(2 * processes)

    def handed_out() -> Iterator[tuple[int, int]]:
        for span in spans:
            waiting.acquire()  # a slow front must not let rendered views pile up
            yield span

    # A forked interpreter hangs: XNNPACK's threads do not come along.
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes, _start_worker, (renderer, plan, compiled)) as pool:
        try:
            for start, made in pool.imap_unordered(_render, handed_out()):
                waiting.release()
                yield start, made if isinstance(front, bytes) else front(made[0])
        finally:
            waiting.release(len(spans))  # the pool's own thread may stand there, and is joined


def _write(folder: Path, outputs: Mapping[str, np.ndarray], start: int, count: int) -> None:
    for name, rows in outputs.items():
        file = folder / f"{name}.npy"
        if not file.is_file():
            partial = file.with_suffix(".part")
            made = np.lib.format.open_memmap(partial, "w+", np.float16, (count, *rows.shape[1:]))
            with partial.open("r+b") as opened:
                # A hole in a mapped file that finds no room on the disk kills the process; this raises.
                os.posix_fallocate(opened.fileno(), 0, made.offset + made.nbytes)
            partial.rename(file)
        whole = np.load(file, mmap_mode="r+")
        whole[start : start + len(rows)] = rows
        whole.flush()
