"""Counts what a model does while it works."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from edge.clock import NS_PER_MS
from edge.interfaces import Classifier, Clock
from edge.models.probation import Tally
from edge.types import Crop, Prediction


class TimedClassifier:
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
