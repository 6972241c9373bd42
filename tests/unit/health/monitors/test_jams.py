"""Exit sensors at a station: confirmed landings reach the page, and only what was really sent can be missing."""

from __future__ import annotations

import pytest
from support.assembled import assemble_for_test, tick_alive
from support.stations import BELT, make_station

from edge.clock import VirtualClock, ms
from edge.config.inputs import InputName, InputRole
from edge.devices.gpio.inputs import Edge
from edge.health.faults import FaultKind
from edge.line import Outcome
from edge.station.supervisor import LATE_TICK_NS
from edge.transport import Conveyor
from edge.transport.exit_sensors import FALL_NS, JAM_AFTER
from edge.types import Actuation, Decision, Item, Reason, Stroke, StrokeOutcome
from edge.web.station.status import describe_items

STATION = make_station(BELT, bins={"glass": {"exit_pin": 9}})


class Rig:
    """A running station whose strokes and exit sensor the test is."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.station = assemble_for_test(STATION, self.clock)
        self.health, self.live = self.station.health, self.station.reporting.live
        self.observer = self.station.supervisor.observer
        transport = self.station.line.transport
        assert isinstance(transport, Conveyor)
        self.confirmations = transport.confirmations
        self.pass_time(ms(100))

    def pass_time(self, span: int, step: int = ms(100)) -> None:
        """Frames flow and the supervisor ticks once each step."""
        end = self.clock.now() + span
        while self.clock.now() < end:
            self.clock.advance_to(min(end, self.clock.now() + step))
            tick_alive(self.station, self.clock.now())

    def send(self, item_id: int) -> Actuation:
        """Decide an item and plan its stroke, from now on for 100 ms."""
        now = self.clock.now()
        decision = Decision(item_id, "glass", Reason.SORTED, now, "glass", 0.9, 0.8)
        stroke = Actuation("flap", now, now + ms(100), (item_id,))
        self.confirmations.expect(decision, stroke)
        self.live.publish_outcome(Outcome(Item(item_id, now, ()), None, decision, stroke, 0, is_watched=True))
        return stroke

    def arrived(self) -> dict[int, bool | None]:
        """What the page is told, by item."""
        return {item.decision.item_id: item.arrived for item in self.live.snapshot().items}

    @property
    def is_jammed(self) -> bool:
        return any(fault.kind is FaultKind.JAM for fault in self.health.faults)


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_the_page_is_told_what_was_seen_to_fall_and_what_was_not(rig: Rig) -> None:
    rig.send(1)
    rig.pass_time(ms(300))
    assert rig.arrived() == {1: None}
    rig.observer.on_edge(Edge(InputName(InputRole.EXIT, "glass"), True, rig.clock.now()))
    rig.send(2)
    rig.pass_time(FALL_NS + ms(300))
    assert rig.arrived() == {1: True, 2: False}
    told = [item["stroke_text"] for item in describe_items(rig.live.snapshot())]
    assert told == ["not seen to fall into its bin", "seen to fall into its bin"]
    assert not rig.is_jammed


def test_items_that_were_sent_and_never_come_are_a_jam(rig: Rig) -> None:
    for number in range(JAM_AFTER):
        rig.observer.on_stroke(Stroke(rig.send(number), 1, 2, StrokeOutcome.FIRED))
    rig.pass_time(FALL_NS + ms(300))
    assert rig.is_jammed


@pytest.mark.parametrize("outcome", [StrokeOutcome.REFUSED, StrokeOutcome.FAILED])
def test_items_whose_stroke_was_not_carried_out_are_not_missing(rig: Rig, outcome: StrokeOutcome) -> None:
    for number in range(2 * JAM_AFTER):
        rig.observer.on_stroke(Stroke(rig.send(number), None, None, outcome))
    rig.pass_time(FALL_NS + ms(300))
    assert set(rig.arrived().values()) == {None}
    assert not rig.is_jammed


def test_a_machine_that_stood_still_gives_every_item_that_time_back(rig: Rig) -> None:
    for number in range(JAM_AFTER):
        rig.send(number)
    stood = FALL_NS + LATE_TICK_NS + ms(100)
    rig.pass_time(stood, step=stood)
    assert rig.arrived() == dict.fromkeys(range(JAM_AFTER))
    rig.pass_time(FALL_NS)
    assert rig.is_jammed
