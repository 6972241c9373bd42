"""Whether the date can be believed: a Pi has no clock that runs while it is off."""

from __future__ import annotations

from dataclasses import dataclass, field

from edge.clock import NS_PER_S
from edge.interfaces import Clock

JUMP_S = 60.0
CALM_NS = 3600 * NS_PER_S


@dataclass
class DateWatch:
    """Watches the date against the monotonic clock; a date that jumped is not believed for an hour.

    Otherwise a wrong year at start would make every row of the journal too old to keep.
    """

    clock: Clock
    _offset_s: float = field(init=False)
    _since: int = field(init=False)

    def __post_init__(self) -> None:
        self._since = self.clock.now()
        self._offset_s = self._present_offset()

    def believed(self) -> bool:
        """Say whether the date has not jumped for an hour."""
        offset = self._present_offset()
        if abs(offset - self._offset_s) > JUMP_S:
            self._since = self.clock.now()
            self._offset_s = offset
        return self.clock.now() - self._since >= CALM_NS

    def _present_offset(self) -> float:
        return self.clock.wall_time() - self.clock.now() / NS_PER_S
