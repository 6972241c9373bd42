"""Watches the model at work: counts what it does and, on probation, writes that down and judges it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from edge.clock import NS_PER_S
from edge.config.probation import ProbationSettings
from edge.inference.metered import Tally
from edge.interfaces import Clock
from edge.models.probation import Probation, Verdict, began, counted, ended, judged, load_probation, save_probation
from edge.models.records import Generation
from edge.models.store import ModelStore

log = logging.getLogger(__name__)

# An SD card wears out: what is counted on probation is written down so often, a verdict at once.
KEEP_NS = 10 * NS_PER_S
_MEMORY_ITEMS = 2000
_NS_PER_MIN = 60 * NS_PER_S


@dataclass
class ProbationTracker:
    """One generation after another.

    Attributes:
        rules: what a model on probation is judged by, and how long one inference may take at the station, ms.
        boot: the kernel's id of this boot.
    """

    store: ModelStore
    rules: ProbationSettings
    max_invoke_ms: float | None
    clock: Clock
    boot: str
    _probation: Probation | None = None
    _recent: Tally = field(default_factory=Tally)
    _counted_at: int = 0
    _kept_at: int = 0

    def __post_init__(self) -> None:
        self._counted_at = self._kept_at = self.clock.now()

    def resume(self, generation: Generation) -> Probation | None:
        """The program starts, which shows how it ended last time; None for a generation that is not on probation."""
        if not generation.probation:
            return None
        self._probation = self._judged(began(load_probation(self.store.folder, generation), self.boot))
        self._keep()
        return self._probation

    def follow(self, generation: Generation | None, another_model: bool) -> None:
        """From now on this generation is at work; None: one without a store, which is not judged."""
        before, self._probation = self._recent, None
        if another_model:
            self._recent = Tally()
        if generation is None or not generation.probation:
            return
        probation = load_probation(self.store.folder, generation)
        if not probation.running_boot:
            probation = began(probation, self.boot)
        if probation.baseline is None:
            enough = before.items >= self.rules.least_items
            baseline = before if enough else self._kept_of_previous(generation)
            probation = probation.model_copy(update={"baseline": baseline})
        self._probation = probation
        self._keep()

    def count(self, tally: Tally) -> Probation | None:
        """More was done since the last call; the probation when its verdict has just been reached."""
        now = self.clock.now()
        minutes = (now - self._counted_at) / _NS_PER_MIN
        self._counted_at = now
        self._recent += tally
        if self._recent.items > _MEMORY_ITEMS:
            self._recent = self._recent.halved()
        if self._probation is None or self._probation.verdict is not Verdict.GO_ON:
            return None
        self._probation = self._judged(counted(self._probation, tally, minutes))
        decided = self._probation.verdict is not Verdict.GO_ON
        if decided or now - self._kept_at >= KEEP_NS:
            self._keep()
        return self._probation if decided else None

    def end(self) -> None:
        """The program ends as it should."""
        if self._probation is not None and self._probation.verdict is Verdict.GO_ON:
            self._probation = ended(self._probation)
            self._keep()

    def _judged(self, probation: Probation) -> Probation:
        return judged(probation, self.rules, self.max_invoke_ms)

    def _kept_of_previous(self, generation: Generation) -> Tally | None:
        """What the previous model did on its own probation, for a change while the program did not run."""
        for earlier in reversed(self.store.history()):
            if earlier.number < generation.number and earlier.current == generation.previous:
                kept = load_probation(self.store.folder, earlier).tally
                return kept if kept.items else None
        return None

    def _keep(self) -> None:
        self._kept_at = self.clock.now()
        if self._probation is None:
            return
        try:
            save_probation(self.store.folder, self._probation)
        except OSError as error:
            log.error("%s: the probation can't be written down: %s", self.store.folder, error.strerror)
