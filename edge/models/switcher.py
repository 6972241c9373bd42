"""Keeps a running station on the store's active model: changes over, judges on probation, comes back by itself.

`tick` runs about once a second in a thread of its own, since it reads disks and loads models; `on_outcome` in the vision
thread, where it only counts.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace

from edge.clock import NS_PER_S
from edge.errors import BundleError, ClassifierError, StoreError
from edge.health.faults import FaultKind
from edge.health.monitors import Observer
from edge.inference.metered import MeteredClassifier, Tally
from edge.line import Outcome
from edge.models.fit import check_fit
from edge.models.loader import ActiveModel, ModelLoader, Started
from edge.models.probation import Probation, Verdict
from edge.models.probation_tracker import ProbationTracker
from edge.models.records import Generation
from edge.models.shadow import Shadow, shadow_folder
from edge.types import Reason, Severity

log = logging.getLogger(__name__)

# To residual for want of an answer that was good enough and in time; other reasons are not the model's.
MODELS_OWN = frozenset({Reason.UNSURE, Reason.UNKNOWN, Reason.NOT_CLASSIFIED, Reason.LATE})
JUDGED = MODELS_OWN | {Reason.SORTED, Reason.RESIDUAL_LABEL}


class ModelSwitcher(Observer):
    """Follows one store for one running station, from the model that it started with.

    `put_to_work` makes the line use another model from its next frame on.
    """

    kinds = frozenset({FaultKind.MODEL_DAMAGED})

    def __init__(
        self,
        loader: ModelLoader,
        watch: ProbationTracker,
        started: Started,
        put_to_work: Callable[[ActiveModel], object],
    ) -> None:
        self._loader, self._watch, self._put_to_work = loader, watch, put_to_work
        self._serving = started.serving
        self._was_damaged = started.was_damaged
        self._shadow: Shadow | None = None
        self._shadow_digest: str | None = None
        self._refused = 0
        self._unreadable = ""

    def on_outcome(self, outcome: Outcome, now: int) -> None:
        """Count a decided item."""
        serving, shadow, reason = self._serving, self._shadow, outcome.decision.reason
        if shadow is not None:
            shadow.offer(outcome)
        if reason in JUDGED:
            serving.classifier.add(Tally(items=1, residual=int(reason in MODELS_OWN)))

    def on_reset(self, *, after_stop: bool) -> None:
        self._was_damaged = False

    def faults(self, now: int) -> Iterator[tuple[FaultKind, str]]:
        if self._was_damaged:
            yield FaultKind.MODEL_DAMAGED, ""

    def tick(self) -> None:
        """Look at the store and at how the model does."""
        generation = self._active()
        if generation is not None and generation.number not in (self._serving.number, self._refused):
            self._change(generation)
        self._count()
        self._follow_shadow()

    @property
    def idle(self) -> bool:
        """There is no shadow model, so nothing is to be done until the next tick."""
        return self._shadow is None

    def rest(self, until: int) -> None:
        """Spend the time until the next tick on what the shadow looks at."""
        while (left := until - self._loader.clock.now()) > 0 and self._shadow is not None:
            try:
                self._shadow.compare_next(left / NS_PER_S, self._serving.bundle.manifest.thresholds)
            except (OSError, ClassifierError) as error:
                why = f"the disk refuses: {error.strerror}" if isinstance(error, OSError) else str(error)
                self._loader.say(f"the shadow model stops, {why}", Severity.WARNING)
                self.dismiss_shadow()

    def dismiss_shadow(self) -> None:
        """No shadow model any more."""
        shadow, self._shadow = self._shadow, None
        if shadow is not None:
            shadow.close()

    def reopen(self) -> MeteredClassifier:
        """Load the model at work anew, after it failed.

        Raises:
            BundleError: it can't be loaded.
        """
        classifier = self._loader.open(self._serving.bundle)
        classifier.add(self._serving.classifier.drain())  # what made it fail counts in its probation
        self._serving = replace(self._serving, classifier=classifier)
        return classifier

    def end(self) -> None:
        """The program ends as it should; not called when it ends because of a failure."""
        self._watch.count(self._serving.classifier.drain())
        self._watch.end()

    # -- inside ------------------------------------------------------------------------------------------------

    def _active(self) -> Generation | None:
        try:
            active = self._loader.store.active()
        except StoreError as error:
            if str(error) != self._unreadable:
                log.error("%s", error)
            self._unreadable = str(error)
            return None
        self._unreadable = ""
        return active

    def _change(self, generation: Generation) -> None:
        """Change over to a generation; where it can't be used the store is rolled back, and the old model goes on."""
        if self._serving.bundle.digest == generation.current:
            self._serving = replace(self._serving, generation=generation)
            self._watch.follow(generation, another_model=False)
            return
        try:
            serving = self._loader.load(generation)
        except BundleError as error:
            self._refused = generation.number
            if self._loader.roll_back(generation, f"it can't be used: {error}") is None:
                self._loader.say(f"the active model can't be used, the old one goes on: {error}", Severity.WARNING)
            return
        self._watch.count(self._serving.classifier.drain())
        self._serving = serving
        self._watch.follow(generation, another_model=True)
        self._put_to_work(serving)
        self._loader.say_at_work(serving)

    def _count(self) -> None:
        decided = self._watch.count(self._serving.classifier.drain())
        if decided is not None and self._serving.generation is not None:
            self._carry_out(decided, self._serving.generation)

    def _carry_out(self, probation: Probation, generation: Generation) -> None:
        if probation.verdict is Verdict.KEEP:
            self._loader.say(f"{self._serving.bundle.manifest.title} passed its probation: {probation.why}")
            return
        before = self._loader.roll_back(generation, probation.why)
        if before is not None:
            self._change(before)

    def _follow_shadow(self) -> None:
        loader, digest = self._loader, self._loader.store.shadow()
        if digest == self._shadow_digest:
            return
        self._shadow_digest = digest
        self.dismiss_shadow()
        if digest is None:
            loader.say("no shadow model any more")
            return
        try:
            bundle = loader.fit(loader.store.open(digest))
            check_fit(bundle, loader.station)
            candidate = loader.open_classifier(bundle)
        except BundleError as error:
            loader.say(f"the shadow model can't be used: {error}", Severity.WARNING)
            return
        self._shadow = Shadow(digest, candidate, shadow_folder(loader.station.state_folder, digest), loader.clock)
        loader.say(f"{bundle.manifest.title} ({digest[:12]}) is the shadow model")
