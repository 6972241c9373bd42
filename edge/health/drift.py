"""How things were when a model and a calibration began their work, and whether they are so still.

Four things are compared with the first of them that came: how bright the picture is, how sure the model is of each label,
how many items it is unsure of at all, and how far their features are from the usual ones of their label. Each becomes one
question, "how often is it unusual", to which one sequential test (`cusum_step`) is put item by item. Of what is usual only
the upper end of its 95 % interval counts, so that a short beginning raises no false alarm.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from edge.system.statistics import cusum_step, wilson_interval


@dataclass(frozen=True, slots=True)
class Appearance:
    """By which share the picture is brighter, and items in it sharper, than when model and calibration began; None: not known yet."""

    brightness_change: float | None = None
    sharpness_change: float | None = None


LIMIT: Final = 14.0  # a false alarm of one test in more than a million trials
FIRST_ITEMS, FIRST_OF_LABEL, FIRST_LOOKS, FIRST_DISTANCES = 200, 60, 60, 100
LOW_SCORE, FAR = 0.2, 0.1  # what counts as unusual: the lowest fifth of a label's first scores, the farthest tenth
RISE: Final = 0.25  # of a share, at least: a smaller one may be other waste than yesterday's
MOST_USUAL, MOST_CHANGED = 0.7, 0.97
LEAST_CHANGE: Final = math.log(1.15)  # of brightness: the sun behind a cloud beside a lit belt changes it less
USUAL_LOOKS, CHANGED_LOOKS = 0.2, 0.5  # of looks at the picture, which follow each other and are not independent
DIMENSIONS: Final = 32
MOST_LABELS: Final = 64
MANY: Final = 3  # labels
PATIENCE: Final = 200  # items, until all of them are told of although one label alone may be the cause

Count = Annotated[int, Field(ge=0)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Sketch = Annotated[list[Number], Field(min_length=DIMENSIONS, max_length=DIMENSIONS)]


class _Kept(BaseModel):
    """Something that is kept over restarts."""

    model_config = ConfigDict(extra="forbid")


class RiseTest(_Kept):
    """How often something was unusual at first, and whether it is so more often by now.

    Attributes:
        since: when the score left 0, seconds since the epoch: when it began, should it be raised.
        told: the sentence while it is raised, which stays as it was; else empty. That of a label is without its subject.
        trials_since: how many came since it was raised.
    """

    first: Count = 0
    unusual: Count = 0
    score: Annotated[float, Field(ge=0, le=LIMIT)] = 0.0
    since: Number | None = None
    told: Annotated[str, Field(max_length=500)] = ""
    trials_since: Count = 0

    def learn(self, unusual: bool) -> None:
        """Count one of the first."""
        self.first += 1
        self.unusual += unusual

    def follow(self, unusual: bool, at: float) -> bool:
        """Put one of the later ones to the test; return whether that raises it now."""
        usual = wilson_interval(self.unusual, self.first)[1]
        return self.step(unusual, at, usual, min(MOST_CHANGED, usual + max(RISE, usual / 2)))

    def step(self, unusual: bool, at: float, usual: float, changed: float) -> bool:
        """The same with given shares; more than MOST_USUAL can't rise by much and is not asked for."""
        if usual > MOST_USUAL:
            return False
        before, self.score = self.score, min(LIMIT, cusum_step(self.score, unusual, usual, changed))
        if not self.score:
            self.clear()
        elif not before:
            self.since = at
        self.trials_since += bool(self.told)
        return self.score >= LIMIT and not self.told

    def clear(self) -> None:
        """Begin to ask anew."""
        self.score, self.since, self.told, self.trials_since = 0.0, None, "", 0


class Light(_Kept):
    """The brightness of the picture: logarithms of the first looks, and a mean of the latest ones."""

    first: Annotated[list[Number], Field(max_length=FIRST_LOOKS)] = Field(default_factory=list)
    latest: Number = 0.0
    test: RiseTest = Field(default_factory=RiseTest)

    def look(self, brightness: float, at: float) -> bool:
        """Take a look at the picture in; return whether that raises the test."""
        level = math.log(max(brightness, 1.0))
        if len(self.first) < FIRST_LOOKS:
            self.first.append(level)
            self.latest = median(self.first)
            return False
        self.latest += (level - self.latest) / 4
        usual = median(self.first)
        spread = 1.4826 * median(abs(one - usual) for one in self.first)  # as a standard deviation
        unusual = abs(level - usual) > max(LEAST_CHANGE, 4 * spread)
        return self.test.step(unusual, at, USUAL_LOOKS, CHANGED_LOOKS)

    @property
    def change(self) -> float:
        """By which share the picture is brighter than at first, below 0 darker."""
        return math.exp(self.latest - median(self.first)) - 1 if self.first else 0.0


class Detail(_Kept):
    """How sharp items are in the picture: logarithms of the first ones, and a mean of the latest. A dirty or loose lens lowers it."""

    first: Annotated[list[Number], Field(max_length=FIRST_OF_LABEL)] = Field(default_factory=list)
    latest: Number = 0.0

    def take(self, sharpness: float) -> None:
        """Take the sharpness of an item's best view in, see Crop."""
        level = math.log(max(sharpness, 1.0))
        if len(self.first) < FIRST_OF_LABEL:
            self.first.append(level)
            self.latest = median(self.first)
        else:
            self.latest += (level - self.latest) / FIRST_OF_LABEL

    @property
    def change(self) -> float | None:
        """By which share the latest are sharper than the first, below 0 blurred; None before there were enough of them."""
        if len(self.first) < FIRST_OF_LABEL:
            return None
        return math.exp(self.latest - median(self.first)) - 1


class Sureness(_Kept):
    """The scores of one label."""

    first: Annotated[list[Number], Field(max_length=FIRST_OF_LABEL)] = Field(default_factory=list)
    test: RiseTest = Field(default_factory=RiseTest)

    def take(self, score: float, at: float) -> bool:
        """Take a score in; return whether that raises the test."""
        if len(self.first) < FIRST_OF_LABEL:
            self.first.append(score)
            if len(self.first) == FIRST_OF_LABEL:
                for one in self.first:
                    self.test.learn(one < self._low)
            return False
        return self.test.follow(score < self._low, at)

    @property
    def _low(self) -> float:
        return sorted(self.first)[int(LOW_SCORE * FIRST_OF_LABEL)]


class Centre(_Kept):
    """The mean of one label's first sketches."""

    count: Count = 0
    mean: Sketch = Field(default_factory=lambda: [0.0] * DIMENSIONS)


class Looks(_Kept):
    """What items look like to the network: first the mean of each label and the common spread about it, then distances."""

    centres: Annotated[dict[str, Centre], Field(max_length=MOST_LABELS)] = Field(default_factory=dict)
    spread: Sketch = Field(default_factory=lambda: [0.0] * DIMENSIONS)  # sums of squares
    first: Count = 0
    distances: Annotated[list[Number], Field(max_length=FIRST_DISTANCES)] = Field(default_factory=list)
    test: RiseTest = Field(default_factory=RiseTest)

    def take(self, label: str, sketch: NDArray[np.float32], at: float) -> bool:
        """Take the sketch (DIMENSIONS,) of an item's features in; return whether that raises the test."""
        if self.first < FIRST_ITEMS:
            self._learn(label, sketch)
            return False
        centre = self.centres.get(label)
        if centre is None or centre.count < 5:
            return False  # too rare to know what it looks like
        variance = np.asarray(self.spread) / (self.first - len(self.centres)) + 1e-9
        distance = float(np.mean((sketch - np.asarray(centre.mean)) ** 2 / variance))
        if len(self.distances) < FIRST_DISTANCES:
            self.distances.append(distance)
            self.test.learn(len(self.distances) <= FAR * FIRST_DISTANCES)
            return False
        far = sorted(self.distances)[-int(FAR * FIRST_DISTANCES) - 1]
        return self.test.follow(distance > far, at)

    def _learn(self, label: str, sketch: NDArray[np.float32]) -> None:
        """Welford's sums, about the mean of each label."""
        if label not in self.centres and len(self.centres) >= MOST_LABELS:
            return
        centre = self.centres.setdefault(label, Centre())
        centre.count += 1
        self.first += 1
        before = sketch - np.asarray(centre.mean)
        centre.mean = (np.asarray(centre.mean) + before / centre.count).tolist()
        self.spread = (np.asarray(self.spread) + before * (sketch - np.asarray(centre.mean))).tolist()


class Memory(_Kept):
    """All of it, for one model and one calibration, which `of` names."""

    of: str = ""
    light: Light = Field(default_factory=Light)
    detail: Detail = Field(default_factory=Detail)
    labels: Annotated[dict[str, Sureness], Field(max_length=MOST_LABELS)] = Field(default_factory=dict)
    unsure: RiseTest = Field(default_factory=RiseTest)
    looks: Looks = Field(default_factory=Looks)

    @property
    def tests(self) -> Iterator[RiseTest]:
        yield from (self.light.test, self.unsure, self.looks.test)
        yield from (sureness.test for sureness in self.labels.values())

    @property
    def appearance(self) -> Appearance:
        """How the picture is now beside how it was."""
        is_known = len(self.light.first) == FIRST_LOOKS
        return Appearance(self.light.change if is_known else None, self.detail.change)

    @property
    def told(self) -> Sequence[str]:
        """What is raised: the labels that it is about, or all items or many labels where it is about no few of them."""
        tests = {label: sureness.test for label, sureness in self.labels.items()}
        suspects = sum(test.score > LIMIT / 3 for test in tests.values())
        raised = {label: test for label, test in tests.items() if test.told}
        is_of_few = 0 < suspects < MANY
        if is_of_few and not raised and self.unsure.trials_since < PATIENCE:
            unsure = []  # it is soon known which they are
        elif raised and (is_of_few or not (suspects or self.unsure.told)):
            unsure = [f"{label} has {test.told}" for label, test in raised.items()]
        elif self.unsure.told or not raised:
            unsure = [self.unsure.told]
        else:  # all of them stay above the thresholds: no item is unsure yet
            earliest = min(raised.values(), key=lambda test: test.since or 0.0)
            unsure = [f"many labels have {earliest.told}"]
        return [told for told in (self.light.test.told, *unsure, self.looks.test.told) if told]
