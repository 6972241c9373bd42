"""A station file to a station that can be run for real: everything that it names is opened, in an order that is safe."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from edge.bundle.archive import Bundle
from edge.clock import SystemClock
from edge.config import Station
from edge.config.calibration.overlay import apply_calibration
from edge.config.calibration.record import Calibration
from edge.config.calibration.recover import load_or_quarantine
from edge.config.notify import NotifySettings
from edge.errors import SorterError
from edge.health.monitors import Observer
from edge.health.monitors.bin_levels import BinLevels, capacities_of
from edge.inference.thresholds import fitted
from edge.interfaces import Clock
from edge.journal import open_journal
from edge.journal.database import connect_for_writing
from edge.sensing.still_view import stored_view
from edge.station.assemble import Measured, assemble
from edge.station.assembled import AssembledStation
from edge.station.environment import Environment, Interference, open_world, stand_on
from edge.station.models import fixed_model, open_in_process_for, open_models
from edge.station.recorder import build_reporting
from edge.station.stops.safe_outputs import NOTE, save_outputs

if TYPE_CHECKING:
    from edge.simulate.world.faults import Planned
    from edge.station.faults.practice import Practice

log = logging.getLogger(__name__)


def build_station(
    station: Station, clock: Clock | None = None, faults: Sequence[Planned] = (), file: Path | None = None
) -> AssembledStation:
    """Open everything that a station names and return it, ready to run.

    `faults` are what goes wrong at a simulated station, to practise it; the station that was read from a `file` can be
    taught from its page.

    Raises:
        SorterError: something is missing, damaged or does not fit; what was opened is safe and closed.
    """
    clock = clock or SystemClock()
    calibration, was_damaged = load_or_quarantine(station)
    station = apply_calibration(station, calibration)
    practice = _plan_practice(station, faults, clock)
    connect = connect_for_writing if practice is None else practice.connect()
    journal = open_journal(station.state_folder, station.journal, clock, connect=connect)
    if station.camera.is_live:
        _note_outputs(station)
    reporting = build_reporting(
        journal, BinLevels(capacities_of(station), station.state_folder, clock.wall_time), clock, calibration
    )
    # After the journal: it makes sure that no other process works here, which would look like a crashed one.
    models = open_models(station, clock, calibration, reporting.recorder)
    try:
        pins, world = open_world(station, clock)
        if practice is not None and world is not None:
            practice.begin(world)
        environment = stand_on(station, clock, calibration, pins, world, practice or Interference(clock))
        environment = replace(environment, station_file=file)
        measured = Measured(stored_view(calibration), was_damaged, _mark(calibration))
        return assemble(station, environment, reporting, models, measured)
    except SorterError:
        models.first.classifier.close()
        models.end()  # a camera or a pin that is missing is not the model's fault
        raise


def build_trial(
    station: Station,
    environment: Environment,
    bundle: Bundle,
    calibration: Calibration,
    folder: Path,
    observers: Sequence[Observer] = (),
) -> AssembledStation:
    """Return a station that sorts as it would after the calibration was kept, with its journal in a folder of its own.

    Raises:
        SorterError: something is missing or does not fit; what was opened is safe and closed.
    """
    clock = environment.clock
    closed = station.with_values(page=station.page.with_values(enabled=False), notify=NotifySettings())
    journal = open_journal(folder, station.journal, clock)
    reporting = build_reporting(
        journal, BinLevels(capacities_of(station), station.state_folder, clock.wall_time), clock
    )
    model = fixed_model(closed, clock, lambda: fitted(bundle, calibration), partial(open_in_process_for, closed))
    try:
        return assemble(closed, environment, reporting, model, Measured(stored_view(calibration)), observers)
    except SorterError:
        model.first.classifier.close()
        raise


def _mark(calibration: Calibration | None) -> str:
    """Return what tells one calibration from the next."""
    return "" if calibration is None else hashlib.sha256(calibration.model_dump_json().encode()).hexdigest()[:16]


def _note_outputs(station: Station) -> None:
    """Leave a note for `sorter safe`, which may find another station file than this one, or none."""
    try:
        save_outputs(station.state_folder, station.model_dump())
    except OSError as error:
        log.warning("%s can't be written (%s)", station.state_folder / NOTE, error.strerror)


def _plan_practice(station: Station, faults: Sequence[Planned], clock: Clock) -> Practice | None:
    if not faults:
        return None
    from edge.station.faults.practice import Practice  # a real station has no simulated world

    return Practice(station, faults, clock)
