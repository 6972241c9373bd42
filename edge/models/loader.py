"""Opens the models of a station's store: the one to start with, and back to the one before when one can't be used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edge.bundle.archive import Bundle
from edge.config import Station
from edge.errors import BundleError, StoreError
from edge.inference.classifier import BundleClassifier, open_shipped_bundle
from edge.inference.metered import MeteredClassifier
from edge.interfaces import Clock
from edge.models.fit import check_fit, missing_labels
from edge.models.install import wall_instant
from edge.models.probation import Probation, Verdict
from edge.models.probation_tracker import ProbationTracker
from edge.models.records import Generation
from edge.models.store import ModelStore
from edge.types import Event, EventKind, Severity


@dataclass(frozen=True)
class ActiveModel:
    """A model at work; `generation` is None for the shipped one of a device without a store."""

    bundle: Bundle
    classifier: MeteredClassifier
    generation: Generation | None

    @property
    def number(self) -> int:
        """The generation's number; 0 for the shipped model of a device without a store."""
        return 0 if self.generation is None else self.generation.number


@dataclass(frozen=True)
class ModelLoader:
    """One store for one station.

    Attributes:
        fit: gives a bundle the thresholds of this station, if some were fitted for it.
        open_classifier: loads a bundle's model; whoever puts it to work also closes it.
        record: takes what happens, for journal and log.
    """

    store: ModelStore
    station: Station
    clock: Clock
    fit: Callable[[Bundle], Bundle]
    open_classifier: Callable[[Bundle], BundleClassifier]
    record: Callable[[Event], object]

    def load(self, generation: Generation) -> ActiveModel:
        """Return a generation's model, ready to work.

        One that comes back after a head that was taught on its network need not know what that one was taught.

        Raises:
            BundleError: it is damaged, does not fit the station or can't be loaded.
        """
        bundle = self.fit(self.store.open(generation.current))
        came_back = self._is_of_the_network_before(generation)
        check_fit(bundle, self.station, may_lack_labels=came_back)
        for problem in missing_labels(bundle.labels, self.station) if came_back else ():
            self.say(f"{bundle.manifest.title} goes back to work, and {problem}", Severity.WARNING)
        return ActiveModel(bundle, self.open(bundle), generation)

    def _is_of_the_network_before(self, generation: Generation) -> bool:
        networks = {model.digest: model.base or model.digest for model in self.store.models()}
        before = networks.get(generation.previous or "")
        return before is not None and before == networks.get(generation.current)

    def load_shipped(self) -> ActiveModel:
        """Return the model that came with the program, ready to work.

        Raises:
            BundleError: there is none that can be used.
        """
        shipped = self.fit(open_shipped_bundle())
        return ActiveModel(shipped, self.open(shipped), None)

    def open(self, bundle: Bundle) -> MeteredClassifier:
        """Return what runs a bundle's model and counts what it does.

        Raises:
            BundleError: it can't be loaded.
        """
        return MeteredClassifier(self.open_classifier(bundle), self.clock)

    def roll_back(self, generation: Generation, why: str) -> Generation | None:
        """Roll the store back from this generation; None where it can't."""
        try:
            before = self.store.roll_back(why, wall_instant(self.clock), expected=generation.number)
        except (StoreError, BundleError) as error:
            text = f"the model should go ({why}), but there is no way back: {error}"
            self.say(text, Severity.WARNING)
            return None
        self.say(f"rolled back from {generation.current[:12]} to {before.current[:12]}: {why}", Severity.WARNING)
        return before

    def say(self, text: str, severity: Severity = Severity.NOTE, kind: EventKind = EventKind.MODEL) -> None:
        """Record what happens to the models."""
        self.record(Event(kind, self.clock.now(), text, severity, kind))

    def say_at_work(self, serving: ActiveModel) -> None:
        """Record which model works now, and why."""
        why = "" if serving.generation is None else serving.generation.why
        self.say(f"{serving.bundle.manifest.title} ({serving.bundle.digest[:12]}) at work: {why}")


@dataclass(frozen=True)
class Started:
    """The model to start with; `was_damaged` says that another one should have been."""

    serving: ActiveModel
    was_damaged: bool


def start_model(loader: ModelLoader, watch: ProbationTracker) -> Started:
    """Open the model to start with, and let its probation go on where it has one.

    Raises:
        BundleError: there is no model that can be used.
    """
    generation, store_damaged = _active(loader)
    probation = None if generation is None else watch.resume(generation)
    if generation is not None and probation is not None and probation.verdict is Verdict.ROLL_BACK:
        generation = loader.roll_back(generation, probation.why) or generation
    serving, model_damaged = _first_usable(loader, generation)
    watch.follow(serving.generation, another_model=True)
    if _goes_on(probation, serving):
        loader.say_at_work(serving)
    return Started(serving, store_damaged or model_damaged)


def _active(loader: ModelLoader) -> tuple[Generation | None, bool]:
    try:
        return loader.store.active(), False
    except StoreError as error:
        loader.say(f"{error}; the shipped model is in use", Severity.WARNING, EventKind.MODEL_DAMAGED)
        return None, True


def _first_usable(loader: ModelLoader, generation: Generation | None) -> tuple[ActiveModel, bool]:
    """Return the first model that can be used, and whether the active one can't."""
    if generation is None:
        return loader.load_shipped(), False
    try:
        return loader.load(generation), False
    except BundleError as error:
        loader.say(f"the active model can't be used: {error}", Severity.WARNING, EventKind.MODEL_DAMAGED)
        before = loader.roll_back(generation, f"it can't be used: {error}")
    if before is not None:
        try:
            return loader.load(before), True
        except BundleError as error:
            loader.say(f"the previous model can't be used either: {error}", Severity.WARNING)
    return loader.load_shipped(), True


def _goes_on(probation: Probation | None, serving: ActiveModel) -> bool:
    return probation is not None and probation.verdict is Verdict.GO_ON and serving.number == probation.generation
