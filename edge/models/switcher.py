"""Keeps a running station on the store's active model: changes over, watches on probation, comes back by itself.

`begin` runs once before the station does; `turn` about once a second in a thread of its own, since it
reads disks and loads models; `note` in the vision thread, where it only counts.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from edge.bundle.archive import Bundle
from edge.clock import NS_PER_S
from edge.config import Station
from edge.errors import BundleError, ClassifierError, StoreError
from edge.inference.classifier import BundleClassifier, open_shipped_bundle
from edge.inference.metered import Tally, TimedClassifier
from edge.interfaces import Clock
from edge.line import Outcome
from edge.models.fit import check_fit
from edge.models.install import wall_instant
from edge.models.probation import Probation, Verdict
from edge.models.probation_tracker import Watch
from edge.models.records import Generation
from edge.models.select import open_store
from edge.models.shadow import Shadow, shadow_folder
from edge.models.store import ModelStore
from edge.types import Event, EventKind, Reason, Severity

log = logging.getLogger(__name__)

# To residual for want of an answer that was good enough and in time; other reasons are not the model's.
MODELS_OWN = frozenset({Reason.UNSURE, Reason.NOT_CLASSIFIED, Reason.LATE})
JUDGED = MODELS_OWN | {Reason.SORTED, Reason.RESIDUAL_LABEL}
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Serving:
    """A model at work; `generation` is None for the shipped one of a device without a store."""

    bundle: Bundle
    classifier: TimedClassifier
    generation: Generation | None


@dataclass
class Changeover:
    """Follows one store for one station.

    Attributes:
        boot: the kernel's id of this boot.
        put_to_work: makes the line use another model from its next frame on; set by the runtime.
        tell: journals an event; what happens before it is set is told by the first `turn`.
        fit: gives a bundle the thresholds of this station, if some were fitted for it.
        open_classifier: loads a bundle's model; whoever is told to put it to work also closes it.
    """

    store: ModelStore
    station: Station
    clock: Clock
    boot: str
    put_to_work: Callable[[Serving], None] = lambda serving: None
    tell: Callable[[Event], None] | None = None
    fit: Callable[[Bundle], Bundle] = lambda bundle: bundle
    open_classifier: Callable[[Bundle], BundleClassifier] = BundleClassifier
    _serving: Serving | None = None
    _shadow: Shadow | None = None
    _shadow_digest: str | None = None
    _refused: int = 0
    _unreadable: str = ""
    _waiting: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._watch = Watch(self.store, self.station, self.clock, self.boot)

    def begin(self) -> Serving:
        """The model to start with: the active one, its predecessor if it has to go, or the shipped one.

        Raises:
            BundleError: there is no model that can be used.
        """
        try:
            generation = self.store.active()
        except StoreError as error:
            self._say(EventKind.MODEL_DAMAGED, f"{error}; the shipped model is in use", Severity.WARNING)
            generation = None
        probation = None if generation is None else self._watch.resume(generation)
        if generation is not None and probation is not None and probation.verdict is Verdict.ROLL_BACK:
            generation = self._come_back(generation, probation.why) or generation
        self._serving = self._first_usable(generation)
        self._watch.follow(self._serving.generation, another_model=True)
        if probation is not None and probation.verdict is Verdict.GO_ON and self._number == probation.generation:
            self._say_at_work(self._serving)
        return self._serving

    def note(self, outcome: Outcome) -> None:
        """Count a decided item; called by the vision thread, never waits."""
        serving, shadow, reason = self._serving, self._shadow, outcome.decision.reason
        if shadow is not None:
            shadow.offer(outcome)
        if serving is not None and reason in JUDGED:
            serving.classifier.add(Tally(items=1, residual=int(reason in MODELS_OWN)))

    def turn(self) -> None:
        """Look at the store and at how the model does."""
        while self._waiting and self.tell is not None:
            self.tell(self._waiting.pop(0))
        generation = self._active()
        if generation is not None and generation.number not in (self._number, self._refused):
            self._change(generation)
        self._count()
        self._follow_shadow()

    @property
    def idle(self) -> bool:
        """No model looks on, so nothing is to be done until the next turn."""
        return self._shadow is None

    def rest(self, until: int) -> None:
        """Spend the time until the next turn on what the shadow looks at."""
        while (left := until - self.clock.now()) > 0 and self._shadow is not None and self._serving is not None:
            try:
                self._shadow.look(left / NS_PER_S, self._serving.bundle.manifest.thresholds)
            except (OSError, ClassifierError) as error:
                why = f"the disk refuses: {error.strerror}" if isinstance(error, OSError) else str(error)
                self._say(EventKind.MODEL, f"the model that looks on stops, {why}", Severity.WARNING)
                self.dismiss_shadow()

    def dismiss_shadow(self) -> None:
        """Nobody looks on any more."""
        shadow, self._shadow = self._shadow, None
        if shadow is not None:
            shadow.close()

    def reopen(self) -> TimedClassifier:
        """Load the model at work anew, after it failed.

        Raises:
            BundleError: it can't be loaded.
        """
        if self._serving is None:
            return self.begin().classifier
        classifier = self._classifier(self._serving.bundle)
        classifier.add(self._serving.classifier.drain())  # what made it fail counts in its probation
        self._serving = replace(self._serving, classifier=classifier)
        return classifier

    def end(self) -> None:
        """The program ends as it should; not called when it ends because of a failure."""
        if self._serving is not None:
            self._watch.count(self._serving.classifier.drain())
        self._watch.end()

    # -- inside ------------------------------------------------------------------------------------------------

    @property
    def _number(self) -> int:
        serving = self._serving
        return serving.generation.number if serving is not None and serving.generation is not None else 0

    def _active(self) -> Generation | None:
        try:
            active = self.store.active()
        except StoreError as error:
            if str(error) != self._unreadable:
                log.error("%s", error)
            self._unreadable = str(error)
            return None
        self._unreadable = ""
        return active

    def _first_usable(self, generation: Generation | None) -> Serving:
        if generation is not None:
            try:
                return self._load(generation)
            except BundleError as error:
                self._say(EventKind.MODEL_DAMAGED, f"the active model can't be used: {error}", Severity.WARNING)
                before = self._come_back(generation, f"it can't be used: {error}")
            if before is not None:
                try:
                    return self._load(before)
                except BundleError as error:
                    self._say(EventKind.MODEL, f"the previous model can't be used either: {error}", Severity.WARNING)
        shipped = self.fit(open_shipped_bundle())
        return Serving(shipped, self._classifier(shipped), None)

    def _follow_shadow(self) -> None:
        digest = self.store.shadow()
        if digest == self._shadow_digest:
            return
        self._shadow_digest = digest
        self.dismiss_shadow()
        if digest is None:
            self._say(EventKind.MODEL, "no model looks on any more")
            return
        try:
            bundle = self.store.open(digest)
            check_fit(bundle, self.station)
            candidate = self.open_classifier(bundle)
        except BundleError as error:
            self._say(EventKind.MODEL, f"the model that shall look on can't be used: {error}", Severity.WARNING)
            return
        self._shadow = Shadow(digest, candidate, shadow_folder(self.station.state_folder, digest), self.clock)
        self._say(EventKind.MODEL, f"{bundle.manifest.title} ({digest[:12]}) looks on")

    def _load(self, generation: Generation) -> Serving:
        bundle = self.fit(self.store.open(generation.current))
        check_fit(bundle, self.station)
        classifier = self._classifier(bundle)
        return Serving(bundle, classifier, generation)

    def _classifier(self, bundle: Bundle) -> TimedClassifier:
        return TimedClassifier(self.open_classifier(bundle), self.clock)

    def _change(self, generation: Generation) -> None:
        if self._serving is not None and self._serving.bundle.digest == generation.current:
            self._serving = replace(self._serving, generation=generation)
            self._watch.follow(generation, another_model=False)
            return
        try:
            serving = self._load(generation)
        except BundleError as error:
            self._refused = generation.number
            if self._come_back(generation, f"it can't be used: {error}") is None:
                self._say(
                    EventKind.MODEL, f"the active model can't be used, the old one goes on: {error}", Severity.WARNING
                )
            return
        if self._serving is not None:
            self._watch.count(self._serving.classifier.drain())
        self._serving = serving
        self._watch.follow(generation, another_model=True)
        self.put_to_work(serving)
        self._say_at_work(serving)

    def _count(self) -> None:
        if self._serving is None:
            return
        decided = self._watch.count(self._serving.classifier.drain())
        if decided is not None:
            self._carry_out(decided)

    def _carry_out(self, probation: Probation) -> None:
        serving = self._serving
        if serving is None or serving.generation is None:
            return
        if probation.verdict is Verdict.KEEP:
            self._say(EventKind.MODEL, f"{serving.bundle.manifest.title} passed its probation: {probation.why}")
            return
        before = self._come_back(serving.generation, probation.why)
        if before is not None:
            self._change(before)

    def _come_back(self, generation: Generation, why: str) -> Generation | None:
        """Roll the store back from this generation; None where it can't."""
        try:
            before = self.store.roll_back(why, wall_instant(self.clock), expected=generation.number)
        except (StoreError, BundleError) as error:
            self._say(
                EventKind.MODEL, f"the model should go ({why}), but there is no way back: {error}", Severity.WARNING
            )
            return None
        self._say(
            EventKind.MODEL,
            f"rolled back from {generation.current[:12]} to {before.current[:12]}: {why}",
            Severity.WARNING,
        )
        return before

    def _say_at_work(self, serving: Serving) -> None:
        why = "" if serving.generation is None else serving.generation.why
        self._say(EventKind.MODEL, f"{serving.bundle.manifest.title} ({serving.bundle.digest[:12]}) at work: {why}")

    def _say(self, kind: EventKind, text: str, severity: Severity = Severity.NOTE) -> None:
        event = Event(kind, self.clock.now(), text, severity, kind)
        log.log(logging.WARNING if severity is Severity.WARNING else logging.INFO, "%s", text)
        if self.tell is None:
            self._waiting.append(event)
        else:
            self.tell(event)


def build_changeover(station: Station, clock: Clock) -> Changeover | None:
    """The changeover of a station; None where its file names one bundle for good."""
    if station.inference.bundle is not None:
        return None
    boot = _BOOT_ID.read_text().strip() if _BOOT_ID.exists() else ""
    return Changeover(open_store(station), station, clock, boot)
