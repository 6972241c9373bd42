"""Notices that the belt stands still though it may run, or is not as fast as it should be."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator
from statistics import median

from edge.clock import NS_PER_S
from edge.health.faults import FaultKind
from edge.health.monitors import Observer
from edge.line import Outcome
from edge.transport.belt import BeltModel
from edge.types import Frame

# From the relay to a belt at its speed; an item that lies still for a moment is no stopped belt either.
START_UP_NS = 3 * NS_PER_S
# Held, the relay is off and the belt can't show that it would run: it is let go on to see.
TRY_AGAIN_NS = 10 * NS_PER_S
ITEMS = 7
# Speeds of items that were in view while the program was not let run are guesses: so long an item is in view.
IN_VIEW_NS = 5 * NS_PER_S
# So many pictures missing in a row: things on a belt are no longer followed, but found anew.
MISSING_FRAMES = 6
CAMERA_FAULTS = frozenset(kind for kind in FaultKind if kind.startswith("camera-"))
SLIPPING, FAST_ENOUGH = 0.10, 0.05  # shares of the speed; begins and ends


class BeltMonitor(Observer):
    """Follows the belt's own speed and that of the items on it.

    `is_driven` says whether the station itself switches the belt: then a belt that stands while
    everything is held says nothing. Without an encoder only the pictures tell.
    """

    kinds = frozenset({FaultKind.BELT_STOPPED, FaultKind.BELT_SLIPPING})

    def __init__(self, belt: BeltModel, *, is_driven: bool, has_encoder: bool, frames_per_s: float) -> None:
        self._belt = belt
        self._is_driven, self._has_encoder = is_driven, has_encoder
        self._longest_gap = MISSING_FRAMES * NS_PER_S / frames_per_s
        self._inhibited = self._is_blind = self._is_slipping = False
        self._captured_at: int | None = None
        self._disturbed_at: int | None = None
        self._still_since: int | None = None
        self._stopped_at: int | None = None
        self._speeds: deque[float] = deque(maxlen=ITEMS)

    def on_frame(self, frame: Frame, now: int) -> None:
        """An item that is seen now and then only has no speed to speak of."""
        before, self._captured_at = self._captured_at, frame.captured_at
        if before is not None and frame.captured_at - before > self._longest_gap:
            self._disturbed_at = now

    def on_stall(self, span: int, now: int) -> None:
        """What a starved machine did not see says nothing of the belt."""
        self._disturbed_at = now
        self._still_since = None

    def on_state(self, inhibited: bool, faults: Collection[FaultKind]) -> None:
        self._inhibited = inhibited
        self._is_blind = not self._has_encoder and not CAMERA_FAULTS.isdisjoint(faults)

    def on_outcome(self, outcome: Outcome, now: int) -> None:
        """Take note of an item's own speed; 0 is unknown."""
        speed = outcome.item.speed_mm_per_s
        expected = self._belt.speed(now) if self._has_encoder else self._belt.nominal_speed
        if speed <= 0 or expected <= 0:
            return
        if self._disturbed_at is not None and now - self._disturbed_at < IN_VIEW_NS:
            return
        self._speeds.append(speed / expected)
        if len(self._speeds) == ITEMS:
            off = abs(median(self._speeds) - 1)
            self._is_slipping = off > (FAST_ENOUGH if self._is_slipping else SLIPPING)

    def faults(self, now: int) -> Iterator[tuple[FaultKind, str]]:
        self._look(now)
        if self._stopped_at is not None:
            yield FaultKind.BELT_STOPPED, ""
        if self._is_slipping:
            yield FaultKind.BELT_SLIPPING, ""

    def _look(self, now: int) -> None:
        if self._is_blind:
            self._still_since = None
        elif self._belt.speed(now) > 0:
            self._still_since = self._stopped_at = None
        elif self._stopped_at is not None:
            if self._is_driven and now - self._stopped_at >= TRY_AGAIN_NS:
                self._still_since = self._stopped_at = None
        elif self._is_driven and self._inhibited:
            self._still_since = None
        else:
            self._still_since = now if self._still_since is None else self._still_since
            if now - self._still_since >= START_UP_NS:
                self._stopped_at = now
