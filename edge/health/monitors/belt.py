"""Notices that the belt stands still though it may run, or is not as fast as it should be."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

from edge.clock import NS_PER_S
from edge.health.faults import FaultKind
from edge.health.health import Health
from edge.transport.belt import BeltModel

# From the relay to a belt at its speed; an item that lies still for a moment is no stopped belt either.
START_UP_NS = 3 * NS_PER_S
# Held, the relay is off and the belt can't show that it would run: it is let go on to see.
TRY_AGAIN_NS = 10 * NS_PER_S
ITEMS = 7
# Speeds of items that were in view while the program was not let run are guesses: so long an item is in view.
IN_VIEW_NS = 5 * NS_PER_S
CAMERA_FAULTS = frozenset(kind for kind in FaultKind if kind.startswith("camera-"))
SLIPPING, FAST_ENOUGH = 0.10, 0.05  # shares of the speed; begins and ends


@dataclass
class BeltWatch:
    """Follows the belt's own speed and that of the items on it.

    `is_driven` says whether the station itself switches the belt: then a belt that stands while
    everything is held says nothing.
    """

    belt: BeltModel
    health: Health
    is_driven: bool
    expected_speed: Callable[[int], float] | None = None
    _disturbed_at: int | None = field(default=None, init=False)
    _still_since: int | None = field(default=None, init=False)
    _stopped_at: int | None = field(default=None, init=False)
    _speeds: deque[float] = field(default_factory=lambda: deque(maxlen=ITEMS), init=False)

    def pictures_missed(self, now: int) -> None:
        """Take note that pictures are missing: an item that is seen now and then only has no speed to speak of."""
        self._disturbed_at = now

    def disturbed(self, now: int) -> None:
        """Take note that the machine was too busy to run this program: that says nothing of the belt."""
        self.pictures_missed(now)
        self._still_since = None

    def item_passed(self, speed_mm_per_s: float, now: int) -> None:
        """Take note of an item's own speed; 0 is unknown."""
        expected = self.belt.nominal_speed if self.expected_speed is None else self.expected_speed(now)
        if speed_mm_per_s <= 0 or expected <= 0:
            return
        if self._disturbed_at is not None and now - self._disturbed_at < IN_VIEW_NS:
            return
        self._speeds.append(speed_mm_per_s / expected)
        if len(self._speeds) == ITEMS:
            off = abs(median(self._speeds) - 1)
            if off > SLIPPING:
                self.health.raise_fault(FaultKind.BELT_SLIPPING, now)
            elif off < FAST_ENOUGH:
                self.health.clear_fault(FaultKind.BELT_SLIPPING, now)

    def watch(self, now: int) -> None:
        """Look at the belt; call it several times a second."""
        if self.expected_speed is None and any(fault.kind in CAMERA_FAULTS for fault in self.health.faults):
            self._still_since = None  # without an encoder only the pictures tell
            return
        if self.belt.speed(now) > 0:
            self._still_since = self._stopped_at = None
            self.health.clear_fault(FaultKind.BELT_STOPPED, now)
            return
        if self._stopped_at is not None:
            if self.is_driven and now - self._stopped_at >= TRY_AGAIN_NS:
                self._still_since = self._stopped_at = None
                self.health.clear_fault(FaultKind.BELT_STOPPED, now)
            return
        if self.is_driven and self.health.held:
            self._still_since = None
            return
        self._still_since = now if self._still_since is None else self._still_since
        if now - self._still_since >= START_UP_NS:
            self._stopped_at = now
            self.health.raise_fault(FaultKind.BELT_STOPPED, now)
