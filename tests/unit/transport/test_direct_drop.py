"""The bin station's way: at once, one item after the other."""

from __future__ import annotations

from support.stations import BIN, make_station

from edge.clock import NS_PER_S, ms
from edge.config import RESIDUAL
from edge.transport import DirectDrop, build_transport
from edge.types import Decision, Item, Reason

NOW = 5 * NS_PER_S


def chute(residual: dict[str, object] | None = None) -> DirectDrop:
    arm = {"type": "servo", "pin": 12, "safe_us": 1500, "positions_us": {"left": 1000, "right": 2000}}
    station = make_station(
        BIN,
        actuators={"flap": None, "arm": {**arm, "lead_ms": 200, "return_ms": 300}},
        bins=[
            {"name": "glass", "labels": ["glass"], "actuator": "arm", "position": "left", "dwell_ms": 500},
            {"name": "residual", **(residual or {})},
        ],
    )
    transport = build_transport(station, None)
    assert isinstance(transport, DirectDrop)
    return transport


def decided(where: str, reason: Reason = Reason.SORTED) -> Decision:
    return Decision(1, where, reason, NOW, "glass", 0.9, 0.8)


ITEM = Item(1, NOW, ())


def test_it_fires_at_once_for_lead_and_dwell() -> None:
    decision, stroke = chute().plan(ITEM, decided("glass"), NOW)
    assert decision.reason is Reason.SORTED
    assert stroke is not None
    assert (stroke.actuator, stroke.position) == ("arm", "left")
    assert 0 < stroke.fire_at - NOW <= ms(5)
    assert stroke.release_at - stroke.fire_at == ms(700)


def test_residual_may_have_a_place_of_its_own() -> None:
    unsure = decided(RESIDUAL, Reason.UNSURE)
    assert chute().plan(ITEM, unsure, NOW)[1] is None
    decision, stroke = chute({"actuator": "arm", "position": "right"}).plan(ITEM, unsure, NOW)
    assert decision.reason is Reason.UNSURE
    assert stroke is not None
    assert stroke.position == "right"


def test_a_second_item_waits_for_the_arm_to_be_back() -> None:
    station = chute()
    _, first = station.plan(ITEM, decided("glass"), NOW)
    assert first is not None
    assert station.plan(ITEM, decided("glass"), NOW + ms(400))[0].reason is Reason.DIVERTER_BUSY
    assert station.plan(ITEM, decided("glass"), first.release_at + ms(300))[0].reason is Reason.SORTED


def test_while_held_not_even_residual_is_moved() -> None:
    station = chute({"actuator": "arm", "position": "right"})
    assert station.plan(ITEM, decided(RESIDUAL, Reason.HELD), NOW)[1] is None
