"""Exit sensors confirm arrivals; several that fail to come are a jam."""

from __future__ import annotations

from edge.clock import NS_PER_S, ms
from edge.transport import Confirmations, Delivery
from edge.transport.exit_sensors import FALL_NS, JAM_AFTER
from edge.types import Actuation, Decision, Reason

START = NS_PER_S


def arrivals() -> Confirmations:
    return Confirmations(frozenset({"watched"}))


def send(sensors: Confirmations, item_id: int, fire_ms: float, where: str = "watched") -> None:
    decision = Decision(item_id, where, Reason.SORTED, START)
    sensors.expect(decision, Actuation("flap", START + ms(fire_ms), START + ms(fire_ms + 200), (item_id,)))


def test_an_item_that_comes_by_is_confirmed_once() -> None:
    sensors = arrivals()
    send(sensors, 1, 100)
    sensors.passed("watched", START + ms(400))
    assert sensors.settle(START + ms(500)) == [Delivery(1, "watched", START + ms(400))]
    assert sensors.settle(START + 10 * NS_PER_S) == []


def test_edges_confirm_items_in_the_order_of_their_strokes() -> None:
    sensors = arrivals()
    send(sensors, 1, 100)
    send(sensors, 2, 500)
    sensors.passed("watched", START + ms(400))
    sensors.passed("watched", START + ms(800))
    assert [arrival.item_id for arrival in sensors.settle(START + NS_PER_S)] == [1, 2]


def test_what_does_not_come_is_missing_and_several_are_a_jam() -> None:
    sensors = arrivals()
    for number in range(JAM_AFTER):
        assert sensors.jammed() == ()
        send(sensors, number, 100 + number)
        assert sensors.settle(START + ms(301 + number) + FALL_NS) == [Delivery(number, "watched", None)]
    assert sensors.jammed() == ("watched",)
    sensors.cleared("watched")
    assert sensors.jammed() == ()


def test_an_arrival_ends_the_row_of_missing_ones() -> None:
    sensors = arrivals()
    for number in range(JAM_AFTER - 1):
        send(sensors, number, 100)
    sensors.settle(START + 5 * NS_PER_S)
    send(sensors, 9, 6000)
    sensors.passed("watched", START + ms(6400))
    sensors.settle(START + ms(6500))
    send(sensors, 10, 7000)
    sensors.settle(START + 20 * NS_PER_S)
    assert sensors.jammed() == ()


def test_cancelled_strokes_bins_without_a_sensor_and_residual_are_not_waited_for() -> None:
    sensors = arrivals()
    send(sensors, 1, 100)
    sensors.cancel((1,))
    send(sensors, 2, 100, "blind")
    sensors.expect(Decision(3, "residual", Reason.UNSURE, START), None)
    assert sensors.settle(START + 20 * NS_PER_S) == []


def test_something_that_nobody_sent_confirms_nothing() -> None:
    sensors = arrivals()
    sensors.passed("watched", START + ms(50))
    send(sensors, 1, 100)
    assert sensors.settle(START + ms(200)) == []
