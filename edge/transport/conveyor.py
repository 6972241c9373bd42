"""Meeting an item with its diverter: when to fire, when to release, and when better not."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field, replace

from edge.clock import NS_PER_S, ms
from edge.config import RESIDUAL, Station
from edge.config.actuators import ActuatorSettings
from edge.config.station import Bin
from edge.transport.belt import BeltModel
from edge.transport.pace import Pace
from edge.types import Actuation, Decision, Item, Reason

# From planning a stroke to the actuation thread taking it up.
NOTICE_NS = ms(2)
# A diverter stands ready at least this long before its item and after it, even between close neighbours.
GUARD_MS = 4.0
# Where the belt's speed is measured anew, strokes that would be off by more than this are planned again.
RETIME_NS = ms(2)
# Passengers that are remembered: more than can lie between the decision line and the end of any belt.
MAX_PASSENGERS = 256


@dataclass(frozen=True, slots=True)
class _Passenger:
    """An item beyond the decision line.

    `front` and `back` are positions of the belt, mm, at which its ends cross the decision line; `reach` is how
    far from there it stays on the belt, mm.
    """

    item_id: int
    front: float
    back: float
    reach: float
    bin: str


@dataclass
class _Planned:
    """A stroke that has been handed out, with the belt positions at which it must begin and end."""

    actuation: Actuation
    begin_mm: float
    end_mm: float
    score: float
    return_ns: int
    lead_ns: int


@dataclass(frozen=True, slots=True)
class _Window:
    """Positions of the belt between which a diverter stands in the way, mm."""

    begin: float
    end: float


@dataclass
class Conveyor:
    """One belt with diverters along it, each of which acts on all lanes.

    Every length is reckoned in belt positions and becomes an instant only at the end, so that a belt that slows
    down moves the strokes with it (`revise`).
    """

    station: Station
    belt: BeltModel
    pace: Pace
    _passengers: deque[_Passenger] = field(default_factory=lambda: deque(maxlen=MAX_PASSENGERS))
    _planned: list[_Planned] = field(default_factory=list)
    _dropped: list[Actuation] = field(default_factory=list)

    @property
    def invoke_ns(self) -> float:
        """What one inference takes, as a running mean."""
        return self.pace.invoke_ns

    def invoked(self, duration_ns: int) -> None:
        """Learn how long one inference took."""
        self.pace.invoked(duration_ns)

    def budget(self, item: Item, waiting: int, now: int) -> int:
        """Return how many crops may be looked at before the first diverter; one, if only a later one can be met."""
        self.pace.item_crossed(item.crossed_at)
        most = self.station.inference.max_crops
        spare = [self._fire_instant(item, where, now) - NOTICE_NS - now for where in self._diverted_bins()]
        if not spare:
            return most
        affordable = self.pace.affordable(min(spare), waiting)
        if affordable == 0 and max(spare) > self.pace.invoke_ns * (waiting + 1):
            return 1
        return min(most, affordable)

    def plan(self, item: Item, decision: Decision, now: int) -> tuple[Decision, Actuation | None]:
        """Return what can be carried out: the item's own stroke, or residual with the reason."""
        self._forget(now)
        stroke: _Planned | None = None
        if decision.reason is Reason.SORTED:
            found = self._stroke(item, decision, now)
            if isinstance(found, Reason):
                decision = replace(decision, bin=RESIDUAL, reason=found)
            else:
                stroke = found
        self._passengers.append(self._passenger(item, decision.bin))
        if stroke is None:
            return decision, None
        self._planned.append(stroke)
        return decision, stroke.actuation

    def revise(self, now: int) -> list[tuple[Actuation, Actuation | None]]:
        """Return planned strokes with what replaces them since the belt changed its pace; None: it must not be fired.

        A stopped belt never fires: what lies on it when it starts again runs to residual.
        """
        changes: list[tuple[Actuation, Actuation | None]] = [(dropped, None) for dropped in self._dropped]
        self._dropped = []
        stopped = self.belt.speed(now) <= 0
        for planned in [p for p in self._planned if p.actuation.fire_at > now]:
            if stopped:
                changes.append((planned.actuation, None))
                self._planned.remove(planned)
                continue
            fire_at, release_at = self._instants(planned.begin_mm, planned.end_mm, planned.lead_ns, now)
            if abs(fire_at - planned.actuation.fire_at) > RETIME_NS:
                after = replace(planned.actuation, fire_at=fire_at, release_at=release_at) if fire_at >= now else None
                changes.append((planned.actuation, after))
                if after is None:
                    self._planned.remove(planned)
                else:
                    planned.actuation = after
        return changes

    # -- one stroke --------------------------------------------------------------------------------------------

    def _stroke(self, item: Item, decision: Decision, now: int) -> _Planned | Reason | None:
        where = self.station.bin(decision.bin)
        if where.actuator is None or where.distance_mm is None:
            return None
        speed = self.belt.speed(now)
        if speed <= 0:
            return Reason.BELT_STOPPED
        actuator = self.station.actuator(where.actuator)
        window = self._window(item, where, actuator, speed)
        if isinstance(window, Reason):
            window = self._outbid(decision, item, where, actuator, speed)
        if isinstance(window, Reason):
            return window
        lead_ns, return_ns = ms(actuator.lead_ms), ms(actuator.return_ms)
        fire_at, release_at = self._instants(window.begin, window.end, lead_ns, now)
        if fire_at < now + NOTICE_NS:
            return Reason.LATE
        began_at = fire_at
        for other in self._planned:
            if other.actuation.actuator != actuator.name:
                continue
            apart = other.actuation.release_at + other.return_ns <= fire_at or (
                release_at + return_ns <= other.actuation.fire_at
            )
            if apart:
                continue
            if other.actuation.position != where.position:
                return Reason.DIVERTER_BUSY
            # Neighbours for one bin share a pulse: the diverter stays instead of going back and forth.
            fire_at = min(fire_at, max(other.actuation.release_at, now + NOTICE_NS))
            began_at = min(began_at, self._pulse_began_at(other))
        if release_at - began_at > ms(actuator.max_on_ms):
            return Reason.TOO_LARGE if began_at == fire_at else Reason.DIVERTER_BUSY
        actuation = Actuation(actuator.name, fire_at, release_at, (item.item_id,), where.position)
        return _Planned(actuation, window.begin, window.end, decision.score, return_ns, lead_ns)

    def _window(self, item: Item, where: Bin, actuator: ActuatorSettings, speed: float) -> _Window | Reason:
        """Where the diverter must stand ready for the item, as wide as its neighbours allow."""
        me = self._passenger(item, where.name)
        distance = where.distance_mm or 0.0
        per_ms = speed / 1000
        wide, guard = where.dwell_ms / 2 * per_ms, min(where.dwell_ms / 2, GUARD_MS) * per_ms
        lead, back = actuator.lead_ms * per_ms, actuator.return_ms * per_ms
        gap = self.station.deciding.min_gap_mm
        ahead = [p.back for p in self._passing(distance, where.name) if p.front <= me.front]
        behind = [p.front for p in self._passing(distance, where.name) if p.front > me.front]
        room_ahead = me.front - max(ahead, default=-math.inf)
        room_behind = min([*behind, me.back + item.gap_behind_mm]) - me.back
        if room_ahead < max(gap, lead + guard) or room_behind < max(gap, back + guard):
            return Reason.TOO_CLOSE
        return _Window(
            # In the middle of the gap: where an item lies is known to a few millimetres only.
            me.front + distance - min(wide, (room_ahead - lead) / 2),
            me.back + distance + min(wide, (room_behind - back) / 2),
        )

    def _outbid(
        self, decision: Decision, item: Item, where: Bin, actuator: ActuatorSettings, speed: float
    ) -> _Window | Reason:
        """With close_items = "purer", take the place of a close neighbour that is less sure and not fired yet."""
        if self.station.deciding.close_items != "purer":
            return Reason.TOO_CLOSE
        me = self._passenger(item, where.name)
        per_ms = speed / 1000
        reach = max(self.station.deciding.min_gap_mm, max(actuator.lead_ms, actuator.return_ms) * per_ms)
        for rival in self._passengers:
            stroke = next((p for p in self._planned if rival.item_id in p.actuation.item_ids), None)
            close = rival.front < me.back + reach and me.front < rival.back + reach
            if close and stroke is not None and stroke.score >= decision.score:
                return Reason.TOO_CLOSE
            if close and stroke is not None:
                self._planned.remove(stroke)
                self._dropped.append(stroke.actuation)
        distance, guard = where.distance_mm or 0.0, GUARD_MS * per_ms
        return _Window(me.front + distance - guard, me.back + distance + guard)

    def _instants(self, begin_mm: float, end_mm: float, lead_ns: int, now: int) -> tuple[int, int]:
        """When to command the stroke and its release; the belt must be moving."""
        begin, end = self.belt.arrival(begin_mm, now), self.belt.arrival(end_mm, now)
        if begin is None or end is None:
            raise ValueError("expected a moving belt. Received: one that stands still")
        return begin - lead_ns, max(end, begin - lead_ns + ms(1))

    def _pulse_began_at(self, planned: _Planned) -> int:
        """Return when the pulse began that this stroke is part of."""
        began_at = planned.actuation.fire_at
        for other in sorted(self._planned, key=lambda p: -p.actuation.fire_at):
            same = other.actuation.actuator == planned.actuation.actuator
            if same and other.actuation.fire_at <= began_at <= other.actuation.release_at:
                began_at = other.actuation.fire_at
        return began_at

    # -- who is on the belt ------------------------------------------------------------------------------------

    def _passenger(self, item: Item, bin_name: str) -> _Passenger:
        centre = self.belt.position(item.crossed_at)
        distance = self.station.bin(bin_name).distance_mm if bin_name != RESIDUAL else None
        half = item.length_mm / 2
        reach = math.inf if distance is None else distance
        return _Passenger(item.item_id, centre - half, centre + half, reach, bin_name)

    def _passing(self, distance: float, bin_name: str) -> list[_Passenger]:
        """Return the items that pass a diverter on their way to another bin."""
        return [p for p in self._passengers if p.reach >= distance and p.bin != bin_name]

    def _fire_instant(self, item: Item, where: Bin, now: int) -> int:
        """Return when the bin's stroke would have to begin; far in the future while the belt stands still."""
        actuator = self.station.actuator(where.actuator or "")
        speed = self.belt.speed(now)
        begin = self.belt.position(item.crossed_at) - item.length_mm / 2 + (where.distance_mm or 0.0)
        at = self.belt.arrival(begin - where.dwell_ms / 2000 * speed, now)
        return now + NS_PER_S if at is None else at - ms(actuator.lead_ms)

    def _diverted_bins(self) -> list[Bin]:
        return [b for b in self.station.bins if b.actuator is not None and b.distance_mm is not None and b.enabled]

    def _forget(self, now: int) -> None:
        """Drop what has left the belt."""
        distances = [b.distance_mm for b in self.station.bins if b.distance_mm is not None]
        end = self.belt.position(now) - max(distances, default=0.0) - 1000.0
        while self._passengers and self._passengers[0].back < end:
            self._passengers.popleft()
        self._planned = [p for p in self._planned if p.actuation.release_at + p.return_ns > now]
