"""Meeting an item with its diverter: when to fire, when to release, and when better not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from edge.clock import NS_PER_S, ms
from edge.config import RESIDUAL
from edge.config.actuators import ActuatorSettings
from edge.config.sorting import Bin
from edge.transport.belt import BeltModel
from edge.transport.budget import InferenceBudget
from edge.transport.exit_sensors import Confirmations, watched_bins
from edge.transport.in_transit import BeltItem, InTransit
from edge.types import Actuation, Decision, Item, Reason

# From planning a stroke to the actuation thread taking it up.
NOTICE_NS = ms(2)
# A diverter stands ready at least this long before its item and after it, even between close neighbours, and at
# least for the way by which the end of an item may lie elsewhere than it was seen.
GUARD_MS, GUARD_MM = 4.0, 4.0
# Where the belt's speed is measured anew, strokes that would be off by more than this are planned again.
RETIME_NS = ms(2)


@dataclass(frozen=True, slots=True)
class _Planned:
    """A stroke that has been handed out.

    `begin_mm` and `end_mm` are the positions of the belt between which the diverter must stand ready.
    """

    actuation: Actuation
    begin_mm: float
    end_mm: float
    distance_mm: float
    bin: str
    lead_ns: int
    return_ns: int


@dataclass
class Conveyor:
    """One belt with diverters along it, each of which acts on all lanes.

    Every length is reckoned in belt positions and becomes an instant only at the end, so that a belt that slows
    down moves the strokes with it (`revise`). `bins` and `actuators` are by name; diverters don't separate items closer
    than `min_gap_mm`.
    """

    bins: Mapping[str, Bin]
    actuators: Mapping[str, ActuatorSettings]
    belt: BeltModel
    pace: InferenceBudget
    max_crops: int
    min_gap_mm: float = 0.0
    confirmations: Confirmations = field(init=False)
    _in_transit: InTransit = field(init=False)
    _planned: list[_Planned] = field(default_factory=list)

    def __post_init__(self) -> None:
        distances = {name: where.distance_mm for name, where in self.bins.items() if where.distance_mm is not None}
        self._in_transit = InTransit(distances, self.belt)
        self.confirmations = Confirmations(watched_bins(self.bins))

    @property
    def invoke_ns(self) -> float:
        """What one inference takes, as a running mean."""
        return self.pace.invoke_ns

    def reset_budget(self) -> None:
        """Forget how long an inference took: what made it slow may be over."""
        self.pace.reset_budget()

    def invoked(self, duration_ns: int) -> None:
        """Learn how long one inference took."""
        self.pace.invoked(duration_ns)

    def budget(self, item: Item, waiting: int, now: int) -> int:
        """Return how many crops may be looked at before the first diverter; one, if only a later one can be met."""
        self.pace.item_crossed(item.crossed_at)
        spare = [self._fire_instant(item, where, now) - NOTICE_NS - now for where in self._diverted_bins()]
        if not spare:
            return self.max_crops
        max_crops = self.pace.max_crops(min(spare), waiting)
        if max_crops == 0 and max(spare) > self.pace.invoke_ns * (waiting + 1):
            return 1
        return min(self.max_crops, max_crops)

    def plan(self, item: Item, decision: Decision, now: int) -> tuple[Decision, Actuation | None]:
        """Return what can be carried out: the item's own stroke, or residual with the reason."""
        self._in_transit.forget(now)
        self._planned = [p for p in self._planned if p.actuation.release_at + p.return_ns > now]
        stroke: _Planned | None = None
        if decision.reason is Reason.SORTED:
            found = self._stroke(item, decision, now)
            if isinstance(found, Reason):
                decision = replace(decision, bin=RESIDUAL, reason=found)
            else:
                stroke = found
        self._in_transit.add(self._in_transit.board(item, decision.bin))
        if stroke is None:
            return decision, None
        self._planned.append(stroke)
        self.confirmations.expect(decision, stroke.actuation)
        return decision, stroke.actuation

    def revise(self, now: int) -> list[tuple[Actuation, Actuation | None]]:
        """Return planned strokes with what replaces them since the belt changed its pace; None: it must not be fired.

        A stopped belt never fires: what lies on it when it starts again runs to residual.
        """
        changes: list[tuple[Actuation, Actuation | None]] = []
        stopped = self.belt.speed(now) <= 0
        still_planned = []
        for planned in self._planned:
            before = planned.actuation
            after = before if before.fire_at <= now else None if stopped else self._retimed(planned, now)
            if after is not None:
                still_planned.append(planned if after is before else replace(planned, actuation=after))
            if after is before:
                continue
            changes.append((before, after))
            self.confirmations.cancel(before.item_ids)
            if after is not None:
                self.confirmations.expect(Decision(after.item_ids[0], planned.bin, Reason.SORTED, now), after)
        self._planned = still_planned
        return changes

    # -- one stroke --------------------------------------------------------------------------------------------

    def _stroke(self, item: Item, decision: Decision, now: int) -> _Planned | Reason | None:
        """Return the stroke that brings an item into its bin, None if it needs none, or what stands against it."""
        where = self.bins[decision.bin]
        if where.actuator is None or where.distance_mm is None:
            return None
        speed = self.belt.speed(now)
        if speed <= 0:
            return Reason.BELT_STOPPED
        actuator = self.actuators[where.actuator]
        me = self._in_transit.board(item, where.name)
        window = self._window(me, item.gap_behind_mm, where, actuator, speed)
        if window is None or self._is_struck(me, speed):
            return Reason.TOO_CLOSE
        lead_ns, return_ns = ms(actuator.lead_ms), ms(actuator.return_ms)
        fire_at, release_at = self._instants(*window, lead_ns, now)
        if fire_at < now + NOTICE_NS:
            return Reason.LATE
        planned = _Planned(
            Actuation(actuator.name, fire_at, release_at, (item.item_id,), where.position),
            *window, me.reach, where.name, lead_ns, return_ns,
        )  # fmt: skip
        return self._fit_in(planned, ms(actuator.max_on_ms), now)

    def _window(
        self, me: BeltItem, gap_behind: float, where: Bin, actuator: ActuatorSettings, speed: float
    ) -> tuple[float, float] | None:
        """Between which positions of the belt the diverter must stand ready, as wide as neighbours allow; None: too close."""
        per_ms = speed / 1000
        guard = max(GUARD_MS * per_ms, GUARD_MM)
        wide = max(guard, where.dwell_ms / 2 * per_ms)
        lead, back = actuator.lead_ms * per_ms, actuator.return_ms * per_ms
        gap = self.min_gap_mm
        others = self._in_transit.passing(me.reach, where.name)
        room_ahead = me.front - max((p.back for p in others if p.front <= me.front), default=-math.inf)
        room_behind = min([*(p.front for p in others if p.front > me.front), me.back + gap_behind]) - me.back
        if room_ahead < max(gap, lead + guard) or room_behind < max(gap, back + guard):
            return None
        # In the middle of the gap: where an item lies is known to a few millimetres only.
        return (
            me.front + me.reach - min(wide, (room_ahead - lead) / 2),
            me.back + me.reach + min(wide, (room_behind - back) / 2),
        )

    def _is_struck(self, me: BeltItem, speed: float) -> bool:
        """Whether a diverter before the item's own moves or stands in its way for another item."""
        for other in self._planned:
            begin = other.begin_mm - other.lead_ns / NS_PER_S * speed
            end = other.end_mm + other.return_ns / NS_PER_S * speed
            passes = other.distance_mm <= me.reach and other.bin != me.bin
            if passes and me.front + other.distance_mm < end and me.back + other.distance_mm > begin:
                return True
        return False

    def _fit_in(self, planned: _Planned, max_on_ns: int, now: int) -> _Planned | Reason:
        """Return the stroke as it goes with the others of its diverter, or why it does not."""
        mine = planned.actuation
        fire_at = began_at = mine.fire_at
        for other in (p for p in self._planned if p.actuation.actuator == mine.actuator):
            its = other.actuation
            back_before = its.release_at + other.return_ns <= mine.fire_at
            if back_before or mine.release_at + planned.return_ns <= its.fire_at:
                continue
            if its.position != mine.position:
                return Reason.DIVERTER_BUSY
            # Neighbours for one bin share a pulse: the diverter stays instead of going back and forth.
            fire_at = min(fire_at, max(its.release_at, now + NOTICE_NS))
            began_at = min(began_at, self._pulse_began_at(other))
        if mine.release_at - began_at > max_on_ns:
            return Reason.TOO_LARGE if began_at == fire_at else Reason.DIVERTER_BUSY
        return replace(planned, actuation=replace(mine, fire_at=fire_at))

    def _pulse_began_at(self, planned: _Planned) -> int:
        """Return when the pulse began that this stroke is part of."""
        began_at = planned.actuation.fire_at
        for other in sorted(self._planned, key=lambda p: -p.actuation.fire_at):
            same = other.actuation.actuator == planned.actuation.actuator
            if same and other.actuation.fire_at <= began_at <= other.actuation.release_at:
                began_at = other.actuation.fire_at
        return began_at

    # -- positions to instants ---------------------------------------------------------------------------------

    def _instants(self, begin_mm: float, end_mm: float, lead_ns: int, now: int) -> tuple[int, int]:
        """When to command the stroke and its release; the belt must be moving."""
        begin, end = self.belt.arrival(begin_mm, now), self.belt.arrival(end_mm, now)
        if begin is None or end is None:
            raise ValueError("expected a moving belt. Received: one that stands still")
        return begin - lead_ns, max(end, begin - lead_ns + ms(1))

    def _retimed(self, planned: _Planned, now: int) -> Actuation | None:
        """Return the stroke as the belt's present speed wants it: itself if nothing changed, None if it is too late."""
        before = planned.actuation
        fire_at, release_at = self._instants(planned.begin_mm, planned.end_mm, planned.lead_ns, now)
        # It may have been brought forward to share a pulse: what counts is whether the release has moved.
        shift = release_at - before.release_at
        if abs(shift) <= RETIME_NS:
            return before
        fire_at = min(fire_at, before.fire_at + shift)
        return replace(before, fire_at=fire_at, release_at=release_at) if fire_at >= now else None

    def _fire_instant(self, item: Item, where: Bin, now: int) -> int:
        """Return when the bin's stroke would have to begin; far in the future while the belt stands still."""
        actuator = self.actuators[where.actuator or ""]
        speed = self.belt.speed(now)
        begin = self.belt.position(item.crossed_at) - item.length_mm / 2 + (where.distance_mm or 0.0)
        at = self.belt.arrival(begin - where.dwell_ms / 2000 * speed, now)
        return now + NS_PER_S if at is None else at - ms(actuator.lead_ms)

    def _diverted_bins(self) -> list[Bin]:
        return [b for b in self.bins.values() if b.actuator is not None and b.distance_mm is not None and b.enabled]
