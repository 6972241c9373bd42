"""Counts what a model does while it works."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from edge.clock import NS_PER_MS
from edge.interfaces import Classifier, Clock
from edge.types import Crop, Prediction


class Tally(BaseModel):
    """Counts of a model at work: items decided, those of them that went to residual or failed, inference time."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    items: int = 0
    residual: int = 0
    failures: int = 0
    inferences: int = 0
    milliseconds: float = 0.0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            items=self.items + other.items,
            residual=self.residual + other.residual,
            failures=self.failures + other.failures,
            inferences=self.inferences + other.inferences,
            milliseconds=self.milliseconds + other.milliseconds,
        )

    def halved(self) -> Tally:
        """Half of it, so that later items weigh more than these."""
        return Tally(
            items=self.items // 2,
            residual=self.residual // 2,
            failures=self.failures // 2,
            inferences=self.inferences // 2,
            milliseconds=self.milliseconds / 2,
        )

    @property
    def residual_share(self) -> float:
        return self.residual / self.items if self.items else 0.0

    @property
    def mean_ms(self) -> float:
        return self.milliseconds / self.inferences if self.inferences else 0.0


class MeteredClassifier:
    """A classifier that counts its inferences, their time and its failures."""

    def __init__(self, inner: Classifier, clock: Clock) -> None:
        self._inner = inner
        self._clock = clock
        self._lock = threading.Lock()
        self._tally = Tally()

    @property
    def labels(self) -> tuple[str, ...]:
        return self._inner.labels

    def classify(self, crops: Sequence[Crop], budget: int) -> Prediction:
        started_at = self._clock.now()
        try:
            prediction = self._inner.classify(crops, budget)
        except Exception:
            self.add(Tally(failures=1))
            raise
        milliseconds = (self._clock.now() - started_at) / NS_PER_MS
        self.add(Tally(inferences=prediction.crops_used, milliseconds=milliseconds))
        return prediction

    def close(self) -> None:
        self._inner.close()

    def add(self, tally: Tally) -> None:
        """Count something that happened outside; from any thread."""
        with self._lock:
            self._tally += tally

    def drain(self) -> Tally:
        """What was counted since the last call."""
        with self._lock:
            tally, self._tally = self._tally, Tally()
        return tally
