"""The shadow model, a candidate: it classifies what the model at work classified, and acts on nothing."""

from __future__ import annotations

import json
import queue
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from edge.bundle.manifest import Thresholds
from edge.bundle.pictures import KEPT_QUALITY, encode_jpeg
from edge.bundle.preprocess import prepare_crop
from edge.clock import NS_PER_MS
from edge.errors import StoreError
from edge.inference.classifier import BundleClassifier, meets
from edge.interfaces import Clock
from edge.line import Outcome
from edge.system.files import append_regular, read_regular, write_regular
from edge.types import Crop

# An outcome holds pictures: so many may wait, later ones are not looked at.
_WAITING = 4
_LARGEST_FILE = 8 << 20
_MOST_PICTURES = 500


class ShadowSample(BaseModel):
    """One item as both saw it; `sure` by each model's own thresholds; `picture` only where the labels differ."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    item: int
    label: str
    score: float
    sure: bool
    candidate_label: str
    candidate_score: float
    candidate_sure: bool
    candidate_ms: float
    picture: str = ""


@dataclass(frozen=True)
class Comparison:
    """Where two models differ; `pairs` counts (label at work, candidate's label)."""

    items: int
    same: int
    sure: int
    candidate_sure: int
    candidate_ms: float
    pairs: Counter[tuple[str, str]]
    different: tuple[ShadowSample, ...]


class Shadow:
    """A candidate at its post; `offer` is for the vision thread, everything else for the models' thread."""

    def __init__(self, digest: str, candidate: BundleClassifier, folder: Path, clock: Clock) -> None:
        self.digest = digest
        self.missed = 0
        self._candidate = candidate
        self._folder = folder
        self._clock = clock
        self._waiting: queue.Queue[Outcome] = queue.Queue(_WAITING)
        self._pictures = 0

    def offer(self, outcome: Outcome) -> None:
        """Have a decided item looked at, if there is time for it; never waits."""
        if outcome.prediction is None or not outcome.item.crops:
            return
        try:
            self._waiting.put_nowait(outcome)
        except queue.Full:
            self.missed += 1

    def compare_next(self, wait_s: float, at_work: Thresholds) -> bool:
        """Classify one waiting item and write down what came of it; False if none came within the time.

        Args:
            wait_s: how long to wait for an item.
            at_work: when the model at work counts as sure.

        Raises:
            OSError: the disk refuses.
            ClassifierError: the candidate can't be run any more.
        """
        try:
            outcome = self._waiting.get(timeout=wait_s) if wait_s > 0 else self._waiting.get_nowait()
        except queue.Empty:
            return False
        prediction, crops = outcome.prediction, outcome.item.crops
        if prediction is None:
            return True
        started_at = self._clock.now()
        candidate = self._candidate.classify(crops, prediction.crops_used)
        milliseconds = (self._clock.now() - started_at) / NS_PER_MS
        picture = self._keep(outcome.item.item_id, crops[0]) if candidate.label != prediction.label else ""
        sample = ShadowSample(
            item=outcome.item.item_id,
            label=prediction.label,
            score=prediction.score,
            sure=meets(prediction, at_work),
            candidate_label=candidate.label,
            candidate_score=candidate.score,
            candidate_sure=self._candidate.is_sure(candidate),
            candidate_ms=milliseconds,
            picture=picture,
        )
        self._append(sample)
        return True

    def close(self) -> None:
        """Let the candidate go."""
        self._candidate.close()

    def _append(self, sample: ShadowSample) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / "items.jsonl"
        if not path.exists() or path.stat().st_size < _LARGEST_FILE:
            append_regular(path, sample.model_dump_json().encode() + b"\n")

    def _keep(self, item: int, crop: Crop) -> str:
        """Keep the crop as the candidate saw it, as long as there is room."""
        if self._pictures >= _MOST_PICTURES:
            return ""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._pictures = max(self._pictures, len(list(self._folder.glob("*.jpg")))) + 1
        pixels = prepare_crop(crop.pixels, crop.box, self._candidate.bundle.manifest.geometry)
        name = f"{self._pictures:05}-{item}.jpg"
        write_regular(self._folder / name, encode_jpeg(pixels, KEPT_QUALITY))
        return name


def shadow_folder(state_folder: Path, digest: str) -> Path:
    """Where a candidate's samples lie."""
    return state_folder / "shadow" / digest[:12]


def compare(folder: Path) -> Comparison:
    """Where the candidate and the model at work differ.

    Raises:
        StoreError: the candidate has not looked at anything yet.
    """
    samples = list(_read(folder / "items.jsonl"))
    if not samples:
        raise StoreError(
            f"{folder}: the candidate has seen no items yet: start it with 'sorter model shadow MODEL' and let the "
            "station sort"
        )
    return Comparison(
        items=len(samples),
        same=sum(sample.label == sample.candidate_label for sample in samples),
        sure=sum(sample.sure for sample in samples),
        candidate_sure=sum(sample.candidate_sure for sample in samples),
        candidate_ms=sum(sample.candidate_ms for sample in samples) / len(samples),
        pairs=Counter(
            (sample.label, sample.candidate_label) for sample in samples if sample.label != sample.candidate_label
        ),
        different=tuple(sample for sample in samples if sample.label != sample.candidate_label),
    )


def _read(path: Path) -> Iterator[ShadowSample]:
    try:
        lines = read_regular(path, 2 * _LARGEST_FILE).splitlines()
    except OSError:
        return
    for line in lines:
        try:
            yield ShadowSample.model_validate(json.loads(line))
        except (ValueError, RecursionError):
            continue  # the last line before a power cut
