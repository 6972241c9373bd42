"""The model at work, and the only way to change it: between two frames, so that no item is seen by two of them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from edge.inference.classifier import GuardedClassifier
from edge.interfaces import Classifier
from edge.types import Crop, Prediction


@dataclass(frozen=True)
class ModelAtWork:
    """A classifier and what changes with it: thresholds by label, the bundle's digest, the model's name and version."""

    classifier: Classifier
    min_scores: Mapping[str, float]
    digest: str = ""
    name: str = ""
    version: str = ""


class ClassifierSlot:
    """Satisfies Classifier with whatever model is in it; every failure of one is a ClassifierError."""

    def __init__(self, first: ModelAtWork) -> None:
        self.model = first
        self._classifier = GuardedClassifier(first.classifier)
        self._next: deque[ModelAtWork | Classifier] = deque()
        self._replaced: deque[Classifier] = deque()
        self._settling = threading.Lock()

    @property
    def labels(self) -> tuple[str, ...]:
        return self._classifier.labels

    def classify(self, crops: Sequence[Crop], budget: int) -> Prediction:
        return self._classifier.classify(crops, budget)

    def swap(self, model: ModelAtWork) -> None:
        """Put another model to work from the next frame on; may be called from any thread."""
        self._next.append(model)

    def replace_classifier(self, classifier: Classifier) -> None:
        """Put the same model to work again, opened anew; may be called from any thread."""
        self._next.append(classifier)

    def settle(self) -> ModelAtWork | None:
        """Change over if that was asked for, and return the new model; called between two frames."""
        changed = None
        with self._settling:
            while self._next:
                wanted = self._next.popleft()
                self._replaced.append(self._classifier)
                changed = wanted if isinstance(wanted, ModelAtWork) else replace(self.model, classifier=wanted)
                self.model, self._classifier = changed, GuardedClassifier(changed.classifier)
        return changed

    def take_replaced(self) -> Sequence[Classifier]:
        """Return the classifiers that are no longer needed; whoever takes them closes them, which may take seconds."""
        return [self._replaced.popleft() for _ in range(len(self._replaced))]

    def close(self) -> None:
        """Close every model that was put in here; may be called twice."""
        self.settle()
        for classifier in (*self.take_replaced(), self._classifier):
            classifier.close()
