"""What a picture may show and which others look like it, from the model where there is one and from labels given so far."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edge.bundle.photo import PhotoError
from edge.inference.classifier import BundleClassifier
from edge.labelling.pictures import PictureFolder
from edge.labelling.similarity import Similarity, describe_features, describe_look

_LOOKED_AT_PX = 1024  # far more than a network is shown
_DOUBT = 2  # votes: while few pictures have labels, the most similar ones may be all that there are


@dataclass(frozen=True)
class Suggestion:
    """What a picture may show, and from what that is known.

    Attributes:
        score: what the model gives it, 0 to 1; None where no model says anything.
        votes: so many of the `voters` most similar labelled pictures have that label.
    """

    label: str
    score: float | None
    votes: int
    voters: int


@dataclass(frozen=True)
class Look:
    """What was seen of a picture: the model's scores, and the numbers by which it is compared; or why it can't be shown."""

    scores: Mapping[str, float] = field(default_factory=dict)
    numbers: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    problem: str = ""


@dataclass
class Proposals:
    """Knows what was looked at; it belongs to one thread, but `look_at` takes its time and may be called from another.

    Without a classifier only what looks like labelled pictures is suggested.
    """

    pictures: PictureFolder
    classifier: BundleClassifier | None = None
    _similarity: Similarity = field(default_factory=Similarity, init=False)
    _scores: dict[str, Mapping[str, float]] = field(default_factory=dict, init=False)

    def __contains__(self, name: object) -> bool:
        """Whether a picture was looked at and can be shown."""
        return name in self._similarity

    def __len__(self) -> int:
        return len(self._similarity)

    def is_settled(self, name: str) -> bool:
        """Whether a picture was looked at, or is known to be unusable."""
        return name in self._similarity or name in self.pictures.unusable

    def look_at(self, name: str) -> Look:
        """Look at a picture; one at a time, since the model belongs to one thread at a time. Nothing is changed by it."""
        try:
            pixels = self.pictures.load(name, _LOOKED_AT_PX)
        except PhotoError as error:
            return Look(problem=str(error))
        if self.classifier is None:
            return Look({}, describe_look(pixels))
        found = self.classifier.classify_photo(pixels)
        scores = dict(zip(found.labels, found.scores, strict=True))
        if found.features is None:
            return Look(scores, describe_look(pixels, found.scores))
        features = found.features.astype(np.float64) - self.classifier.bundle.manifest.output.zero_point
        return Look(scores, describe_features(features, found.scores))

    def take_in(self, name: str, look: Look) -> None:
        """Remember what was seen of a picture that is not settled yet."""
        if look.problem:
            self.pictures.unusable[name] = look.problem
        else:
            self._scores[name] = look.scores
            self._similarity.add(name, look.numbers)

    def alike(self, name: str, among: Collection[str], count: int) -> list[str]:
        """Of those that were looked at and are in `among` the ones most like this one, the most alike first."""
        return self._similarity.nearest(name, among, count) if name in self else []

    def suggest(self, name: str, labels: Sequence[str], labelled: Mapping[str, str]) -> list[Suggestion]:
        """Which of `labels` a picture may have, the likeliest first; `labelled` has what people said of others."""
        if name not in self:
            return []
        scores, votes = self._scores[name], self._similarity.votes(name, labelled)
        voters = votes.total()
        worth = {label: scores.get(label, 0.0) + votes[label] / (voters + _DOUBT) for label in labels}
        ranked = sorted((label for label in labels if worth[label] > 0), key=lambda label: -worth[label])
        return [Suggestion(label, scores.get(label), votes[label], voters) for label in ranked]
