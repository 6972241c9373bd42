"""Whether the date can be believed: a Pi has no clock that runs while it is off."""

from __future__ import annotations

from dataclasses import dataclass, field

from edge.clock import NS_PER_S
from edge.interfaces import Clock
from edge.journal.entries import DeliveryRow, EventRow, OutcomeRow, Row, StrokeRow

JUMP_S = 60.0
CALM_NS = 3600 * NS_PER_S


@dataclass
class DateWatch:
    """Watches the date against the monotonic clock, which does not jump when the date is set.

    `offset_s` is the date of the instant 0; `jumped` says that it changed since the start.
    """

    clock: Clock
    offset_s: float = field(init=False)
    jumped: bool = field(default=False, init=False)
    _since: int = field(init=False)

    def __post_init__(self) -> None:
        self._since = self.clock.now()
        self.offset_s = self._present_offset()

    def look(self) -> bool:
        """Say whether the date was set since the last look. A machine that slept can't tell that from sleep."""
        offset = self._present_offset()
        if abs(offset - self.offset_s) <= JUMP_S:
            return False
        self._since = self.clock.now()
        self.offset_s = offset
        self.jumped = self.jumped or not self.clock.was_suspended()
        return self.jumped

    @property
    def known(self) -> bool:
        """Whether something that knows the date has set it since the machine was started."""
        return self.clock.date_is_known()

    @property
    def believed(self) -> bool:
        """Whether the date is known and has not jumped for an hour: then rows may be too old."""
        return self.clock.now() - self._since >= CALM_NS and self.known

    def dated(self, row: Row) -> Row:
        """Return a row that was recorded before the date was set with the date that it ought to have."""
        instant = _instant_of(row)
        if instant is None:
            return row
        wall_time = instant / NS_PER_S + self.offset_s
        return row if abs(wall_time - row.wall_time) <= JUMP_S else row._replace(wall_time=wall_time)

    def _present_offset(self) -> float:
        return self.clock.wall_time() - self.clock.now() / NS_PER_S


def _instant_of(row: Row) -> int | None:
    match row:
        case OutcomeRow():
            return row.crossed_at
        case StrokeRow():
            return row.fire_at
        case DeliveryRow():
            return row.landed_at
        case EventRow():
            return row.at
