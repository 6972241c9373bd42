"""The model that a station starts with: one for good, or the active one of its store."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from edge.bundle.archive import Bundle
from edge.clock import present_boot_id
from edge.config import Station
from edge.config.calibration.record import Calibration
from edge.inference.classifier import BundleClassifier
from edge.inference.interpreter import OpenInference
from edge.inference.metered import MeteredClassifier
from edge.inference.process import open_in_process
from edge.inference.slot import ModelAtWork
from edge.inference.thresholds import fitted
from edge.interfaces import Classifier, Clock
from edge.models.fit import check_fit
from edge.models.loader import ActiveModel, ModelLoader, Started, start_model
from edge.models.probation_tracker import ProbationTracker
from edge.models.select import open_station_bundle, open_store
from edge.station.recorder import Recorder
from edge.system.realtime import Priority

log = logging.getLogger(__name__)

# How long a model may take to answer, of the time after which the station counts as stuck: a model that hangs is ended
# and opened anew before the whole service would be.
ANSWER_SHARE = 0.75


@dataclass(frozen=True)
class FixedModel:
    """A model that stays; `reopen` opens it anew after it failed, which takes seconds."""

    first: ModelAtWork
    reopen: Callable[[], Classifier]

    def end(self) -> None:
        """A failed start is not the model's fault."""


@dataclass(frozen=True)
class StoredModels:
    """The active model of a store, which may be changed while the station runs."""

    loader: ModelLoader
    watch: ProbationTracker
    started: Started

    @property
    def first(self) -> ModelAtWork:
        return at_work(self.loader.station, self.started.serving)

    def end(self) -> None:
        """A failed start is not the model's fault."""
        self.watch.end()


Models = FixedModel | StoredModels


def open_models(station: Station, clock: Clock, calibration: Calibration | None, recorder: Recorder) -> Models:
    """Open the model that a station starts with, in a process of its own.

    Raises:
        BundleError: there is none that can be used.
    """
    fit, open_classifier = partial(_fit, calibration), partial(open_in_process_for, station)
    if station.inference.bundle is not None:
        return fixed_model(station, clock, lambda: fit(open_station_bundle(station)), open_classifier)
    loader = ModelLoader(open_store(station), station, clock, fit, open_classifier, recorder.on_event)
    watch = ProbationTracker(loader.store, station.probation, station.inference.max_invoke_ms, clock, present_boot_id())
    return StoredModels(loader, watch, start_model(loader, watch))


def fixed_model(
    station: Station,
    clock: Clock,
    read_bundle: Callable[[], Bundle],
    open_classifier: Callable[[Bundle], BundleClassifier],
) -> FixedModel:
    """Open one bundle for good.

    Raises:
        BundleError: it is missing, damaged, does not fit the station or can't be loaded.
    """

    def open_named() -> ActiveModel:
        bundle = read_bundle()
        check_fit(bundle, station)
        return ActiveModel(bundle, MeteredClassifier(open_classifier(bundle), clock), None)

    return FixedModel(at_work(station, open_named()), lambda: open_named().classifier)


def at_work(station: Station, serving: ActiveModel) -> ModelAtWork:
    """Return a model with the thresholds that it works with at this station."""
    manifest = serving.bundle.manifest
    min_scores = thresholds(station, manifest.thresholds.minimum_score)
    return ModelAtWork(serving.classifier, min_scores, serving.bundle.digest, manifest.name, manifest.version)


def thresholds(station: Station, models_own: Mapping[str, float]) -> Mapping[str, float]:
    """Return the least score of each label: the model's own, or the station's one for all."""
    wanted = station.deciding.min_score
    return models_own if wanted is None else dict.fromkeys(models_own, wanted)


def open_in_process_for(station: Station, bundle: Bundle) -> BundleClassifier:
    """Load a model as a station does that runs for real: in a process of its own.

    Raises:
        BundleError: it can't be loaded.
    """
    is_live = station.camera.is_live
    open_model: OpenInference = partial(
        open_in_process,
        answer_s=ANSWER_SHARE * station.safety.stall_ms / 1000,
        priority=Priority.VISION if is_live else 0,
    )
    return BundleClassifier(bundle, station.inference.threads, station.inference.runtime, open_model)


def _fit(calibration: Calibration | None, bundle: Bundle) -> Bundle:
    """Return the bundle with the thresholds that were fitted at this station, if any were fitted for it."""
    if (
        calibration is not None
        and calibration.thresholds is not None
        and calibration.thresholds.bundle != bundle.digest
    ):
        log.warning(
            "the thresholds of this station were fitted for another model; the model's own are used: "
            "run `sorter calibrate thresholds`"
        )
    return fitted(bundle, calibration)
