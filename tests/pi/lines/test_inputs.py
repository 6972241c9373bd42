"""Inputs pulled from outside reach the service that sorts: emergency stop, reset, a full bin, a contact that bounces."""

from __future__ import annotations

from collections.abc import Callable

from support.pi.sorting import BEACON, Service

Proven = Callable[..., None]
# Faster than the 5 ms that a change must last, as far as the machine that emulates is.
BOUNCES = [{"gpio25": False}, {"gpio25": True}] * 20


def test_an_emergency_stop_acts_at_once_and_only_a_reset_ends_it(service: Service, proven: Proven) -> None:
    service.wires.clear()
    pressed_s = service.wires.pull(gpio16=False)
    service.await_status("estop")
    lit = [edge.at_s for edge in service.wires.record().of(BEACON) if edge.high]
    assert lit
    service.wires.pull(gpio16=True)
    service.await_log("The emergency stop button was released")
    service.await_status("estop")
    service.press_reset()
    service.is_running()
    assert service.wires.levels(BEACON) == {BEACON: False}
    proven(
        "An emergency stop pulled from outside holds everything and lights the beacon until it is released and reset.",
        beacon_lit_after_ms=round(1000 * (lit[0] - pressed_s), 1),
    )


def test_a_full_bin_is_told_and_ends_when_it_is_emptied(service: Service, proven: Proven) -> None:
    service.wires.pull_in_turn(BOUNCES)
    service.wires.pull(gpio25=False)
    service.await_log("A bin is full")
    service.wires.pull(gpio25=True)
    service.press_reset()
    service.await_log("No longer: A bin is full")
    assert service.machine.run("journalctl -u sorter -o cat").count("recorder: A bin is full") == 1
    proven("A bin's full contact is told once, though it bounces, and is over when the bin was emptied.")
