"""Notices that light, lens or items are no longer what they were when the model and the calibration began their work."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from edge.clock import NS_PER_S
from edge.health.drift import DIMENSIONS, FIRST_ITEMS, MOST_LABELS, Appearance, Memory, RiseTest, Sureness
from edge.health.faults import FaultKind
from edge.health.monitors import Observer
from edge.health.monitors.machine import RELEASED
from edge.interfaces import Clock
from edge.line import Outcome
from edge.system.files import quarantine, read_regular, write_atomically
from edge.types import Frame, Reason

log = logging.getLogger(__name__)

GLANCE_NS: Final = NS_PER_S
GLANCES: Final = 20  # to a look: a hand, or an item that fills the view, is no change of light
KEEP_EVERY_NS: Final = 60 * NS_PER_S
MOST_WAITING: Final = 1000
LARGEST_FILE: Final = 1 << 20
TELLING: Final = 0.08  # of brightness: beside another change, from here on it may be its cause
BLIND: Final = frozenset(
    {
        FaultKind.CAMERA_BLACK, FaultKind.CAMERA_OVEREXPOSED, FaultKind.CAMERA_FROZEN, FaultKind.CAMERA_LOST,
        FaultKind.CAMERA_STALLED, FaultKind.CAMERA_MOVED,
    }
)  # fmt: skip
"""What says by itself that the picture is not what it was."""


class _Seen(NamedTuple):
    """What is taken of an outcome; it holds no picture."""

    label: str
    score: float
    is_unsure: bool
    sharpness: float | None
    features: NDArray[np.uint8] | NDArray[np.int8] | None


class DriftMonitor(Observer):
    """Compares what comes with what came first; all sums are done when it is asked for faults, none while items are decided.

    `model` returns the digest of the model at work and `calibrated` names the calibration: with another one it begins anew.
    `folder` is where its memory is kept over restarts; None: nowhere.
    """

    kinds = frozenset({FaultKind.DRIFT})

    def __init__(
        self, clock: Clock, model: Callable[[], str], calibrated: str = "", folder: Path | None = None
    ) -> None:
        self._clock, self._model, self._calibrated = clock, model, calibrated
        self._path = None if folder is None else drift_path(folder)
        self._memory = Memory() if self._path is None else _load(self._path)
        self._waiting: deque[_Seen] = deque(maxlen=MOST_WAITING)
        self._glances: deque[float] = deque(maxlen=GLANCES)
        self._glanced_at: int | None = None
        self._is_blind = False
        self._projection: NDArray[np.float32] | None = None
        self._content = self._stored = ""
        self._content_at: int | None = None
        self.appearance = Appearance()

    def on_state(self, inhibited: bool, faults: Collection[FaultKind]) -> None:
        self._is_blind = not BLIND.isdisjoint(faults)

    def on_frame(self, frame: Frame, now: int) -> None:
        """Once a second some hundred dots of the picture are added up."""
        if self._glanced_at is None or now - self._glanced_at >= GLANCE_NS:
            self._glanced_at = now
            dots = frame.smallest[::16, ::16]
            if dots.size:
                self._glances.append(float(dots.mean()))

    def on_outcome(self, outcome: Outcome, now: int) -> None:
        prediction = outcome.prediction
        if prediction is not None and outcome.item.reject_reason is None:
            is_unsure = outcome.decision.reason in (Reason.UNSURE, Reason.UNKNOWN)
            sharpness = outcome.item.crops[0].sharpness if outcome.item.crops else None
            self._waiting.append(_Seen(prediction.label, prediction.score, is_unsure, sharpness, prediction.features))

    def on_reset(self, *, after_stop: bool) -> None:
        """A person has seen to it; what is there still is raised again."""
        for test in self._memory.tests:
            if test.told:
                test.clear()

    def faults(self, now: int) -> Iterator[tuple[FaultKind, str]]:
        self._begin_anew_if_due()
        at = self._clock.wall_time()
        if self._is_blind:
            self._glances.clear()
        elif len(self._glances) == GLANCES:
            self._look(median(self._glances), at)
            self._glances.clear()
        while self._waiting:
            self._take(self._waiting.popleft(), at)
        if self._content_at is None or now - self._content_at >= KEEP_EVERY_NS:
            self._content, self._content_at = self._memory.model_dump_json(), now
            self.appearance = self._memory.appearance
        for told in self._memory.told:
            yield FaultKind.DRIFT, told

    def save(self) -> None:
        """Store what is remembered, where it changed within the last minute; waits for the disk."""
        content = self._content
        if self._path is None or content == self._stored or not content:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self._path, content.encode())
        except OSError as error:
            log.debug("%s could not be stored (%s); tried again", self._path, error.strerror)
        else:
            self._stored = content

    def _begin_anew_if_due(self) -> None:
        of = f"{self._model()} {self._calibrated}"
        if of != self._memory.of:
            self._memory = Memory(of=of)
            self._waiting.clear()

    def _look(self, brightness: float, at: float) -> None:
        light = self._memory.light
        if light.look(brightness, at):
            light.test.told = f"the picture has been {self._brightness()} {_since(light.test)}"

    def _take(self, seen: _Seen, at: float) -> None:
        memory = self._memory
        if seen.sharpness is not None:
            memory.detail.take(seen.sharpness)
        if memory.unsure.first < FIRST_ITEMS:
            memory.unsure.learn(seen.is_unsure)
        elif memory.unsure.follow(seen.is_unsure, at):
            self._tell(memory.unsure, "more items than usual have been unsure")
        if seen.label in memory.labels or len(memory.labels) < MOST_LABELS:
            sureness = memory.labels.setdefault(seen.label, Sureness())
            if sureness.take(seen.score, at):
                self._tell(sureness.test, "been less sure")
        if seen.features is not None and memory.looks.take(seen.label, self._sketch(seen.features), at):
            self._tell(memory.looks.test, "items have looked different")

    def _tell(self, test: RiseTest, what: str) -> None:
        light = f"; the picture is {self._brightness()}" if abs(self._memory.light.change) >= TELLING else ""
        test.told = f"{what} {_since(test)}{light}"

    def _brightness(self) -> str:
        change = self._memory.light.change
        return f"{abs(change):.0%}".replace("%", " %") + (" darker" if change < 0 else " brighter")

    def _sketch(self, features: NDArray[np.uint8] | NDArray[np.int8]) -> NDArray[np.float32]:
        """Return a random projection: it keeps distances well enough, and its memory small."""
        if self._projection is None or len(self._projection) != len(features):
            drawn = np.random.default_rng(0).standard_normal((len(features), DIMENSIONS))
            self._projection = (drawn / np.sqrt(len(features))).astype(np.float32)
        return np.asarray(features.astype(np.float32) @ self._projection)


def drift_path(folder: Path) -> Path:
    """Return where the memory is kept in a state folder."""
    return folder / "drift.json"


def read_told(folder: Path) -> list[str]:
    """Return what a running station last noticed, from its state folder; nothing where it can't be read."""
    try:
        return list(Memory.model_validate_json(read_regular(drift_path(folder), LARGEST_FILE)).told)
    except (OSError, ValidationError):
        return []


def _load(path: Path) -> Memory:
    """Return what an earlier run left; nothing, with the file in quarantine, where it can't be used."""
    try:
        return Memory.model_validate_json(read_regular(path, LARGEST_FILE))
    except FileNotFoundError:
        return Memory()
    except (OSError, ValidationError) as error:
        log.warning("%s can't be read (%s): what is usual is learnt anew", path, type(error).__name__)
        with suppress(OSError):  # a read-only disk keeps it where it is
            log.warning("it was set aside as %s", quarantine(path))
        return Memory()


def _since(test: RiseTest) -> str:
    """Return since when, for people at the station."""
    if test.since is None or test.since < RELEASED:
        return "lately"  # the date was not set then
    return datetime.fromtimestamp(test.since).astimezone().strftime("since %A %H:%M, %-d %B")
