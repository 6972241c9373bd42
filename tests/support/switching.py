"""A model switcher over a store, started as a station starts it, with models in this process."""

from __future__ import annotations

from collections.abc import Callable

from edge.bundle.archive import Bundle
from edge.config import Station
from edge.inference.classifier import BundleClassifier
from edge.interfaces import Clock
from edge.models.loader import ActiveModel, ModelLoader, start_model
from edge.models.probation_tracker import ProbationTracker
from edge.models.store import ModelStore
from edge.models.switcher import ModelSwitcher
from edge.types import Event


def start_switcher(
    store: ModelStore,
    station: Station,
    clock: Clock,
    put_to_work: Callable[[ActiveModel], object],
    record: Callable[[Event], object],
    boot: str = "boot-1",
    open_classifier: Callable[[Bundle], BundleClassifier] = BundleClassifier,
) -> ModelSwitcher:
    """A new process: open the model to start with, hand it to `put_to_work` as well, and follow the store from there."""
    loader = ModelLoader(store, station, clock, lambda bundle: bundle, open_classifier, record)
    watch = ProbationTracker(store, station.probation, station.inference.max_invoke_ms, clock, boot)
    started = start_model(loader, watch)
    put_to_work(started.serving)
    return ModelSwitcher(loader, watch, started, put_to_work)
