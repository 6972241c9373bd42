"""What beam and exit sensors tell the line: exact crossings, items that only a beam saw, jams behind a diverter."""

from __future__ import annotations

from dataclasses import dataclass

from edge.faults import FaultKind
from edge.health import Health
from edge.inputs import Edge
from edge.journal import Journal, Landing
from edge.line import Line
from edge.panel import Panel
from edge.sensing import BeamTrigger
from edge.transport import Chute, Conveyor


@dataclass
class SensorWatch:
    """Hands the edges of a station's sensors to the parts of its line that they belong to."""

    line: Line
    health: Health
    journal: Journal | None = None

    def on_edge(self, edge: Edge) -> None:
        """Take an edge in; called from the pins' own thread."""
        trigger, transport = self.line.trigger, self.line.transport
        if edge.name == "beam" and isinstance(trigger, BeamTrigger):
            trigger.edge(edge.at, edge.active)
        elif edge.name.startswith("exit:") and edge.active and isinstance(transport, Conveyor | Chute):
            transport.arrivals.passed(edge.name.removeprefix("exit:"), edge.at)

    def watch(self, now: int) -> None:
        """Look for items that did not arrive; call it several times a second."""
        transport = self.line.transport
        if not isinstance(transport, Conveyor | Chute):
            return
        if self.health.held:
            transport.arrivals.give_up()  # what lies on the way may have been cleared by hand
            return
        for arrival in transport.arrivals.settle(now):
            if arrival.at and self.journal is not None:
                self.journal.record(Landing(arrival.item_id, arrival.bin, arrival.at))
        for name in transport.arrivals.jammed():
            self.health.raise_fault(FaultKind.JAM, now, name)
            transport.arrivals.cleared(name)


def watch_sensors(line: Line, health: Health, panel: Panel, journal: Journal | None = None) -> SensorWatch:
    """Have the panel hand the edges of beam and exit sensors on; `watch` of what is returned is to be called."""
    sensors = SensorWatch(line, health, journal)
    panel.on_edge = sensors.on_edge
    return sensors
