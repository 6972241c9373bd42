"""What beam and exit sensors tell the line: exact crossings, items that only a beam saw, jams behind a diverter."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass, field

from edge.clock import ms
from edge.config.inputs import InputRole
from edge.devices.gpio.inputs import Edge
from edge.health.faults import FaultKind
from edge.line import Line
from edge.sensing import BeamTrigger
from edge.station.supervisor import Supervisor
from edge.transport import Arrivals, Chute, Conveyor
from edge.types import Stroke, StrokeOutcome

log = logging.getLogger(__name__)

# Longer than this between two looks, and the program itself was not let run: no item is missing for that.
LATE_LOOK_NS = ms(500)


@dataclass
class SensorWatch:
    """Hands the edges of a station's sensors to the parts of its line that they belong to."""

    line: Line
    supervisor: Supervisor
    _unfired: deque[Stroke] = field(default_factory=deque)
    _looked_at: int | None = None

    def on_edge(self, edge: Edge) -> None:
        """Take an edge in; called from the pins' own thread."""
        trigger, arrivals = self.line.trigger, self._arrivals
        if edge.name.role is InputRole.BEAM and isinstance(trigger, BeamTrigger):
            trigger.edge(edge.at, edge.active)
        elif edge.name.role is InputRole.EXIT and edge.active and arrivals is not None:
            arrivals.passed(edge.name.bin, edge.at)

    def on_stroke(self, stroke: Stroke) -> None:
        """Take note of a stroke that was not carried out: its items run on; never waits."""
        if stroke.outcome in (StrokeOutcome.REFUSED, StrokeOutcome.FAILED):
            self._unfired.append(stroke)

    def watch(self, now: int) -> None:
        """Look for items that did not arrive; call it several times a second."""
        arrivals, health = self._arrivals, self.supervisor.health
        if arrivals is None:
            return
        lost = 0 if self._looked_at is None else now - self._looked_at - LATE_LOOK_NS
        self._looked_at = now
        if lost > 0:
            arrivals.wait_longer(lost)
        while self._unfired:
            stroke = self._unfired.popleft()
            name, items = stroke.actuation.actuator, stroke.actuation.item_ids
            if stroke.outcome is StrokeOutcome.REFUSED:
                numbers = ", ".join(map(str, items))
                log.warning("%s was not fired for item %s: too late, or in the way of another stroke", name, numbers)
            arrivals.give_up(items)
        if health.held:
            for arrival in arrivals.abandon(now):  # what lies on the way may have been cleared by hand
                self.supervisor.note_arrival(arrival)
            return
        for arrival in arrivals.settle(now):
            self.supervisor.note_arrival(arrival)
        for name in arrivals.jammed():
            health.raise_fault(FaultKind.JAM, now, name)
            arrivals.cleared(name)

    @property
    def exit_bins(self) -> frozenset[str]:
        """The bins with an exit sensor."""
        return frozenset() if self._arrivals is None else self._arrivals.watched

    @property
    def _arrivals(self) -> Arrivals | None:
        transport = self.line.transport
        return transport.arrivals if isinstance(transport, Conveyor | Chute) else None


def watch_sensors(line: Line, supervisor: Supervisor) -> SensorWatch:
    """Have the panel hand the edges of beam and exit sensors on, and the supervisor look for what they miss."""
    sensors = SensorWatch(line, supervisor)
    supervisor.watchers.append(sensors.watch)
    supervisor.stroke_watchers.append(sensors.on_stroke)
    if supervisor.panel is not None:
        supervisor.panel.on_edge = sensors.on_edge
    supervisor.watch_exits(sensors.exit_bins)
    return sensors
