"""A bundle at work: crops of an item in, one calibrated prediction out."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.bundle.archive import Bundle, open_bundle
from edge.bundle.head import read_head
from edge.bundle.manifest import Thresholds
from edge.bundle.preprocess import InputGeometry, prepare_crop, turned
from edge.errors import BundleError, ClassifierError
from edge.inference.interpreter import OpenInference, Runtime, open_interpreter
from edge.interfaces import Classifier
from edge.system.statistics import log_softmax, softmax
from edge.types import Crop, Image, Prediction

log = logging.getLogger(__name__)

MIN_VIEWS = 2  # a first look that is sure of the wrong label is the costliest mistake: a second one is asked


class BundleClassifier:
    """Runs a bundle's model; it belongs to one thread at a time."""

    def __init__(
        self,
        bundle: Bundle,
        threads: int = 1,
        runtime: Runtime = "auto",
        open_model: OpenInference = open_interpreter,
    ) -> None:
        self.bundle = bundle
        self._head = read_head(bundle)
        self._interpreter = open_model(bundle, threads, runtime)

    @property
    def labels(self) -> tuple[str, ...]:
        return self.bundle.labels

    @property
    def runtime(self) -> str:
        """Package and version that compute."""
        return f"{self._interpreter.runtime} {self._interpreter.runtime_version}"

    def classify(self, crops: Sequence[Crop], budget: int) -> Prediction:
        """Look at up to `budget` crops, best first, stopping when two looks or more are sure together.

        Raises:
            ValueError: `crops` is empty or `budget` is less than 1.
        """
        if not crops or budget < 1:
            raise ValueError(f"expected at least one crop and a budget of at least 1, got {len(crops)} and {budget}")
        geometry = self.bundle.manifest.geometry
        return self._fuse(rotated_view(crop, number, geometry) for number, crop in enumerate(crops[:budget]))

    def classify_photo(self, pixels: Image) -> Prediction:
        """Look at a whole photo (height, width, 3), RGB, of one item."""
        return self._fuse([prepare_crop(pixels, None, self.bundle.manifest.geometry)])

    def close(self) -> None:
        """Give back what runs the model; may be called twice."""
        self._interpreter.close()

    def is_sure(self, prediction: Prediction) -> bool:
        """Tell whether the bundle's own thresholds are met; a station may ask for more."""
        return meets(prediction, self.bundle.manifest.thresholds)

    def _fuse(self, images: Iterable[Image]) -> Prediction:
        """Mean of the log-probabilities over the views: one view that is sure of a "no" weighs much.

        It is not sharpened with their number, as it would be for independent views: views of one item err together,
        and nearly the same temperature fits best for any number of them (`benchmarks/views.py`), so the thresholds
        fitted for single photos hold. Whether it is unknown is asked of the mean as well.
        """
        manifest = self.bundle.manifest
        total, strangeness = np.zeros(len(manifest.labels)), 0.0
        looks: list[str] = []
        first = prediction = None
        for image in images:
            codes = self._interpreter.run(image)
            first = codes if first is None else first
            logits = log_softmax(self._head.logits(codes), manifest.thresholds.temperature)
            looks.append(manifest.labels[int(logits.argmax())])
            total += logits
            strangeness += float(self._head.strangeness(codes))
            prediction = _prediction(manifest.labels, total / len(looks), tuple(looks), strangeness > 0)
            if len(looks) >= MIN_VIEWS and self.is_sure(prediction):
                break
        if prediction is None:
            raise ValueError("expected at least one image, got none")
        return prediction if manifest.head is None else replace(prediction, features=first)


class GuardedClassifier:
    """A classifier whose failures, whatever they are, have a name."""

    def __init__(self, inner: Classifier) -> None:
        self.inner = inner

    @property
    def labels(self) -> tuple[str, ...]:
        return self.inner.labels

    def classify(self, crops: Sequence[Crop], budget: int) -> Prediction:
        try:
            return self.inner.classify(crops, budget)
        except ClassifierError:
            raise
        except Exception as error:
            log.exception("the model failed")
            raise ClassifierError(f"the model failed ({error}); `sorter doctor` tries it") from error

    def close(self) -> None:
        self.inner.close()


def rotated_view(crop: Crop, number: int, geometry: InputGeometry) -> Image:
    """Return the network's input for the item's look of this number (0 is the first): each a quarter turn further.

    An item that lies has no upright, and looks at one item err together, as they show the same side of it in the same
    light; turned ones err together less (`benchmarks/views.py`).
    """
    return turned(prepare_crop(crop.pixels, crop.box, geometry), number)


def meets(prediction: Prediction, thresholds: Thresholds) -> bool:
    """Tell whether a prediction is as sure as the thresholds ask for."""
    return (
        not prediction.is_unknown
        and prediction.score >= thresholds.minimum_score[prediction.label]
        and prediction.margin >= thresholds.minimum_margin
    )


def _prediction(
    labels: tuple[str, ...], mean_log: NDArray[np.float64], looks: tuple[str, ...], is_unknown: bool
) -> Prediction:
    scores = tuple(softmax(mean_log).tolist())
    best = max(range(len(labels)), key=scores.__getitem__)
    second = max(score for index, score in enumerate(scores) if index != best)
    margin = scores[best] - second
    return Prediction(labels[best], scores[best], margin, labels, scores, len(looks), is_unknown, looks=looks)


def shipped_bundle_path() -> Path:
    """The bundle that comes with this installation.

    Raises:
        BundleError: there is none.
    """
    folder = Path(str(resources.files("edge"))) / "model"
    found = sorted(folder.glob("*.sorter"))
    if not found:
        raise BundleError(f"{folder}: this installation comes without a model: give one with --bundle")
    return found[-1]


def open_shipped_bundle() -> Bundle:
    """Read and verify the bundle that comes with this installation."""
    return open_bundle(shipped_bundle_path())
