"""A classifier that is never wrong, to see what finding, timing and flaps are worth by themselves."""

from __future__ import annotations

from collections.abc import Sequence

from edge.simulate.world.world import World
from edge.types import Crop, Prediction


class PerfectClassifier:
    """Asks the simulated world what a crop shows."""

    def __init__(self, world: World, labels: Sequence[str]) -> None:
        self._world = world
        self._labels = tuple(labels)

    @property
    def labels(self) -> tuple[str, ...]:
        return self._labels

    def classify(self, crops: Sequence[Crop], budget: int) -> Prediction:
        if not crops or budget < 1:
            raise ValueError(f"expected at least one crop and a budget of at least 1, got {len(crops)} and {budget}")
        label = self._world.scene.label_at(crops[0].in_frame.centre, crops[0].captured_at)
        if label not in self._labels:
            even = 1 / len(self._labels)
            return Prediction(self._labels[0], even, 0.0, self._labels, (even,) * len(self._labels))
        scores = tuple(float(name == label) for name in self._labels)
        return Prediction(label, 1.0, 1.0, self._labels, scores)

    def close(self) -> None:
        """Nothing to give back."""
