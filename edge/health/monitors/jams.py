"""Nothing gets through: a jam sensor that stays covered, or items sent into a bin that its exit sensor did not see fall."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Collection, Iterator

from edge.clock import ms
from edge.config.inputs import InputRole
from edge.devices.gpio.inputs import Edge
from edge.health.faults import FaultKind
from edge.health.monitors import Observer
from edge.health.monitors.lasting import Lasting
from edge.transport import Confirmations, Delivery
from edge.types import Stroke, StrokeOutcome

log = logging.getLogger(__name__)

JAM_NS = ms(1000)


class JamMonitor(Observer):
    """Holds what was sent against what exit sensors see; `deliver` takes what became of each item, seen or not."""

    kinds = frozenset({FaultKind.JAM})

    def __init__(self, arrivals: Confirmations, deliver: Callable[[Delivery], object]) -> None:
        self._arrivals = arrivals
        self._deliver = deliver
        self._covered = Lasting(JAM_NS)
        self._unfired: deque[Stroke] = deque()
        self._inhibited = False

    def on_edge(self, edge: Edge) -> None:
        if edge.name.role is InputRole.JAM:
            self._covered.active = edge.active
        elif edge.name.role is InputRole.EXIT and edge.active:
            self._arrivals.passed(edge.name.bin, edge.at)

    def on_stroke(self, stroke: Stroke) -> None:
        """A stroke that was not carried out lets its items run on."""
        if stroke.outcome in (StrokeOutcome.REFUSED, StrokeOutcome.FAILED):
            self._unfired.append(stroke)

    def on_stall(self, span: int, now: int) -> None:
        """No item is missing because the program was not let run to see it."""
        self._arrivals.wait_longer(span)

    def on_state(self, inhibited: bool, faults: Collection[FaultKind]) -> None:
        self._inhibited = inhibited

    def on_reset(self, *, after_stop: bool) -> None:
        """Somebody has cleared the way."""
        for name in self._arrivals.jammed():
            self._arrivals.cleared(name)

    def faults(self, now: int) -> Iterator[tuple[FaultKind, str]]:
        self._give_up_unfired()
        # What lies on the way while everything is held may be cleared by hand.
        for delivery in self._arrivals.abandon(now) if self._inhibited else self._arrivals.settle(now):
            self._deliver(delivery)
        if self._covered.is_due(now):
            yield FaultKind.JAM, ""
        for name in self._arrivals.jammed():
            yield FaultKind.JAM, name

    def _give_up_unfired(self) -> None:
        while self._unfired:
            stroke = self._unfired.popleft()
            name, items = stroke.actuation.actuator, stroke.actuation.item_ids
            if stroke.outcome is StrokeOutcome.REFUSED:
                numbers = ", ".join(map(str, items))
                log.warning("%s was not fired for item %s: too late, or in the way of another stroke", name, numbers)
            self._arrivals.cancel(items)
