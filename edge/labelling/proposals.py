"""What a picture may show and which others look like it, from the model where there is one and from labels given so far."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edge.bundle.photo import PhotoError
from edge.inference.classifier import BundleClassifier
from edge.labelling.pictures import PictureFolder
from edge.labelling.similarity import Similarity, describe_features, describe_look
from edge.types import Image

_DOUBT = 2  # votes: while few pictures have labels, the most similar ones may be all that there are


@dataclass(frozen=True)
class Suggestion:
    """What a picture may show, and from what that is known."""

    label: str
    why: str


@dataclass
class Proposals:
    """Looks at each picture once, when it is asked for or in the background; it belongs to one thread.

    Without a classifier only what looks like labelled pictures is suggested.
    """

    pictures: PictureFolder
    classifier: BundleClassifier | None = None
    _similarity: Similarity = field(default_factory=Similarity, init=False)
    _scores: dict[str, Mapping[str, float]] = field(default_factory=dict, init=False)

    def __contains__(self, name: object) -> bool:
        return name in self._similarity

    def __len__(self) -> int:
        return len(self._similarity)

    def can_show(self, name: str) -> bool:
        """Whether a picture can be read; it is looked at if it was not yet."""
        if name in self._similarity:
            return True
        if name in self.pictures.unusable:
            return False
        try:
            pixels = self.pictures.load(name)
        except PhotoError:
            return False
        self._scores[name], numbers = self._look_at(pixels)
        self._similarity.add(name, numbers)
        return True

    def _look_at(self, pixels: Image) -> tuple[Mapping[str, float], NDArray[np.float64]]:
        """The model's scores, and the numbers by which pictures are compared: its features where it gives some."""
        if self.classifier is None:
            return {}, describe_look(pixels)
        found = self.classifier.classify_photo(pixels)
        scores = dict(zip(found.labels, found.scores, strict=True))
        if found.features is None:
            return scores, describe_look(pixels, found.scores)
        features = found.features.astype(np.float64) - self.classifier.bundle.manifest.output.zero_point
        return scores, describe_features(features, found.scores)

    def look_at_one_more(self, names: Iterator[str]) -> bool:
        """Look at the next of these that was not looked at yet; False when there is none."""
        unusable = self.pictures.unusable
        for name in names:
            if name not in self._similarity and name not in unusable:
                self.can_show(name)
                return True
        return False

    def alike(self, name: str, among: Collection[str], count: int) -> list[str]:
        """Of those that were looked at and are in `among` the ones most like this one, the most alike first."""
        return self._similarity.nearest(name, among, count) if self.can_show(name) else []

    def suggest(self, name: str, labels: Sequence[str], labelled: Mapping[str, str]) -> list[Suggestion]:
        """Which of `labels` a picture may have, the likeliest first; `labelled` has what people said of others."""
        if not self.can_show(name):
            return []
        scores, votes = self._scores[name], self._similarity.votes(name, labelled)
        voters = votes.total()
        worth = {label: scores.get(label, 0.0) + votes[label] / (voters + _DOUBT) for label in labels}
        ranked = sorted((label for label in labels if worth[label] > 0), key=lambda label: -worth[label])
        return [Suggestion(label, _why(scores.get(label), votes[label], voters)) for label in ranked]


def _why(score: float | None, votes: int, voters: int) -> str:
    from_model = [] if score is None else [f"the model: {score:.0%}"]
    from_people = [f"{votes} of the {voters} most similar" if voters > 1 else "the most similar"] if votes else []
    return ", ".join(from_model + from_people)
