"""How long to wait between tries, and when to try the bigger step: one record for each kind of fault."""

from __future__ import annotations

from dataclasses import dataclass

from edge.clock import NS_PER_S
from edge.health.faults import Nature, Step


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits in nanoseconds: the first, doubled with each try, never longer than the longest."""

    first: int = 1 * NS_PER_S
    longest: int = 60 * NS_PER_S
    calm: int = 120 * NS_PER_S  # a fault that stays away this long has its waits start anew

    def wait(self, tries: int) -> int:
        """Return the wait before the try with that number, counted from 0."""
        return min(self.first << min(tries, 32), self.longest)


@dataclass(slots=True)
class Record:
    """What was tried against one kind of fault; outlives the fault, so that one that comes and goes escalates."""

    backoff: Backoff
    raised: int = 0
    tries: int = 0
    due_at: int = 0
    cleared_at: int | None = None

    def note_raised(self, at: int) -> None:
        """The fault is there (again)."""
        self.raised += 1
        if self.cleared_at is not None or self.raised == 1:
            self.due_at = at + self.backoff.wait(self.tries)
        self.cleared_at = None

    @property
    def linger(self) -> int:
        """How long it stays reported after it went: 0 at first, longer each time it comes back, bounded."""
        return 0 if self.raised <= 1 else self.backoff.wait(self.raised - 2)

    def is_calm(self, at: int) -> bool:
        """Say whether the fault stayed away long enough to forget it."""
        return self.cleared_at is not None and at - self.cleared_at >= self.backoff.calm

    def next_step(self, nature: Nature, at: int) -> Step | None:
        """Return the step to take now, counting it as taken; None when none is due."""
        if nature.remedy is None or at < self.due_at:
            return None
        step = Step.RESTART_SERVICE if nature.restarts and self.tries >= nature.tries else nature.remedy
        self.tries += 1
        self.due_at = at + self.backoff.wait(self.tries)
        return step
