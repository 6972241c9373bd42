"""The sensors of a simulated station in real time: the belt's encoder turns and exit sensors confirm what fell in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from support.assembled import journal_of
from support.stations import BELT, make_station

from edge.clock import ms
from edge.config import Station
from edge.journal.entries import DeliveryEntry, Entry
from edge.sensing import BeamTrigger
from edge.simulate.world.hand import Hand
from edge.station.build import build_station
from edge.station.runtime import Runtime
from edge.transport import Conveyor
from edge.types import Actuation, Decision, Reason

AT_MOST_S = 60.0
EXIT_PIN = 23


def station(folder: Path, bundle: Path) -> Station:
    return make_station(
        BELT,
        state_folder=folder,
        camera={"frames_per_s": 5},
        belt={"encoder": {"pin_a": 5, "pin_b": 6, "ticks_per_mm": 0.5}},
        sensing={"beam_pin": 13},
        inference={"bundle": bundle, "allow_unsigned": True},
        bins={"glass": {"exit_pin": EXIT_PIN}},
    )


def test_encoder_beam_and_exit_sensors_tell_what_happens(tmp_path: Path, tiny_bundle: Callable[..., bytes]) -> None:
    (tmp_path / "tiny.sorter").write_bytes(tiny_bundle())
    built = build_station(station(tmp_path / "state", tmp_path / "tiny.sorter"))
    runtime, journal, world = Runtime(built), journal_of(built), built.environment.world
    assert world is not None
    transport, trigger = built.line.transport, built.line.trigger
    assert isinstance(transport, Conveyor)
    assert isinstance(trigger, BeamTrigger)
    edges: list[bool] = []
    landed: list[DeliveryEntry] = []
    take_edge, record = trigger.edge, journal.record

    def edge(at: int, broken: bool) -> None:
        edges.append(broken)
        take_edge(at, broken)

    def recording(entry: Entry) -> None:
        landed.extend([entry] if isinstance(entry, DeliveryEntry) else [])
        record(entry)

    trigger.edge = edge  # type: ignore[method-assign]
    journal.record = recording  # type: ignore[method-assign]
    fallen: list[int] = []

    def look(now: int) -> None:
        if not fallen and not built.health.inhibited:
            fallen.append(now)
            stroke = Actuation("flap", now, now + ms(50), (7,))
            transport.confirmations.expect(Decision(7, "glass", Reason.SORTED, now), stroke)
            Hand(world).touch(EXIT_PIN, active=True)
        if landed and len(edges) >= 2 and transport.belt.position(now) > 200:
            runtime.stop()

    runtime.run(AT_MOST_S, look)
    assert [(landing.item_id, landing.bin) for landing in landed] == [(7, "glass")]
    assert edges[:2] == [True, False]
    assert transport.belt.position(built.clock.now()) > 200
