"""Who holds a station: a person who stopped it, or one who teaches it."""

from __future__ import annotations

from edge.health.events import HealthEvents
from edge.types import EventKind


class Hold:
    """A person's stop, or teaching: a stop for all but the belt, in whose place any person's own stop comes.

    Belongs to whoever holds the lock of its `Health`; any thread may read it.

    Attributes:
        paused_by: who stopped the station; empty: no person.
        taught_by: who teaches it; empty: nobody. It is stopped meanwhile, and stays so.
    """

    def __init__(self, events: HealthEvents, paused_by: str, at: int) -> None:
        self.paused_by, self.taught_by = paused_by, ""
        self._events, self._is_for_teaching = events, False
        if paused_by:
            self._events.person(EventKind.PAUSE, f"Stopped by {paused_by}; `sorter resume` lets it go on.", at)

    def pause(self, at: int, by: str) -> None:
        """A person stops the station: the first one's stop stays, and none is only for teaching."""
        if not self.paused_by or self._is_for_teaching:
            self.paused_by, self.taught_by, self._is_for_teaching = by, "", False
            self._events.person(EventKind.PAUSE, f"Stopped by {by}.", at)

    def resume(self, at: int, by: str) -> None:
        """A person lets it go on."""
        if self.paused_by:
            self.paused_by, self.taught_by, self._is_for_teaching = "", "", False
            self._events.person(EventKind.RESUME, f"Resumed by {by}.", at)

    def teach(self, by: str) -> bool:
        """A person teaches it; False, and nothing changes, where a person stopped it otherwise."""
        if self.paused_by and not self._is_for_teaching:
            return False
        self.paused_by, self.taught_by, self._is_for_teaching = f"{by}, who taught it", by, True
        return True

    def end_teaching(self) -> None:
        """Nobody teaches it any more; one step, so that no lock is needed."""
        self.taught_by = ""
