"""A station as it ships, on pins in memory and a clock that the test moves: whoever tests it is the world."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from edge.clock import SystemClock, VirtualClock
from edge.config import Station
from edge.devices.gpio.mock_pins import MockPins, RestingPins
from edge.errors import CameraError
from edge.health.heartbeats import Heartbeat
from edge.health.monitors import Observer
from edge.health.monitors.bin_levels import BinLevels, capacities_of
from edge.inference.slot import ModelAtWork
from edge.interfaces import Camera
from edge.journal import Journal, open_journal
from edge.station.assemble import Measured, assemble
from edge.station.assembled import AssembledStation
from edge.station.environment import Environment, Interference, open_world, stand_on
from edge.station.models import FixedModel, open_models
from edge.station.recorder import build_reporting
from edge.types import Crop, Prediction


class Undecided:
    """A model that is never asked."""

    labels = ("glass",)

    def classify(self, crops: Sequence[Crop], budget: int) -> Prediction:
        raise NotImplementedError

    def close(self) -> None:
        pass


def no_camera() -> Camera:
    raise CameraError("this test has no camera")


def assemble_for_test(
    station: Station,
    clock: VirtualClock,
    pins: MockPins | None = None,
    journal: Journal | None = None,
    observers: Sequence[Observer] = (),
) -> AssembledStation:
    """Return the station without a page; its pins are not open yet."""
    station = station.with_values(page=station.page.with_values(enabled=False))
    environment = Environment(
        clock, RestingPins() if pins is None else pins, no_camera, lambda app: NotImplemented, Interference(clock)
    )
    model = FixedModel(ModelAtWork(Undecided(), {}), Undecided)
    reporting = build_reporting(journal, BinLevels(capacities_of(station), wall_time=clock.wall_time), clock)
    return assemble(station, environment, reporting, model, Measured(), observers)


def tick_alive(station: AssembledStation, now: int) -> None:
    """Every thread shows life and an item comes, then the supervisor ticks."""
    health = station.health
    health.beat(now)
    health.item_seen(now)
    for heartbeat in (Heartbeat.ACTUATION, Heartbeat.JOURNAL):
        health.heartbeat(heartbeat, now)
    for stroke in station.schedule.run_due(now):
        station.supervisor.observer.on_stroke(stroke)
    station.supervisor.tick(now)


def build_in_real_time(station: Station, **differences: Any) -> AssembledStation:
    """Return a simulated station as `sorter run` would, but for these differences of its environment."""
    clock = SystemClock()
    journal = open_journal(station.state_folder, station.journal, clock)
    reporting = build_reporting(
        journal, BinLevels(capacities_of(station), station.state_folder, clock.wall_time), clock
    )
    models = open_models(station, clock, None, reporting.recorder)
    pins, world = open_world(station, clock)
    environment = replace(stand_on(station, clock, None, pins, world, Interference(clock)), **differences)
    return assemble(station, environment, reporting, models, Measured())


def journal_of(station: AssembledStation) -> Journal:
    assert station.reporting.journal is not None
    return station.reporting.journal
