"""The whole controller at work on a small simulated belt, while a person calibrates and models are activated.

As a program, for a tracer: `python tests/support/whole_run.py FOLDER ENOUGH` reports on its standard output, and ends when
so many items, calibrations and generations of models are stored.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from edge.bundle.archive import read_bundle
from edge.clock import SystemClock
from edge.config import load_station
from edge.config.calibration.files import load_calibration, save_calibration
from edge.config.calibration.overlay import step_digest
from edge.config.calibration.record import BackgroundStep, Calibration
from edge.errors import SorterError
from edge.health.state import State
from edge.journal import Journal
from edge.journal.entries import Entry
from edge.journal.reading import ItemRecord, Query, check_journal, read_all
from edge.line import Outcome
from edge.models.install import Device, prove
from edge.models.records import Evidence
from edge.models.store import ModelStore
from edge.models.trust import Trust
from edge.station.build import build_station
from edge.station.runtime import Runtime

STATION = """
name = "cut"
kind = "conveyor"
state_folder = "state"
camera = {type = "simulated", width = 160, height = 120, frames_per_s = 20}
belt = {speed_mm_per_s = 500, mm_per_pixel = 3.2}
actuators = [{name = "flap", type = "digital", pin = 17}]
bins = [
  {name = "paper", labels = ["paper"], actuator = "flap", distance_mm = 300},
  {name = "residual", labels = ["glass", "metal"]},
]
simulation = {items_per_min = 300, smallest_mm = 40, largest_mm = 60}
inference = {allow_unsigned = true}
journal = {batch_ms = 50}
page = {enabled = false}
"""
DATE = "2026-11-01T10:00:00Z"
FACTS = ("items", "calibration", "generation")


@dataclass(frozen=True)
class Confirmed:
    """What the controller has said to be stored: so many items, and the last calibration and generation of models."""

    items: int = 0
    calibration: int = 0
    generation: int = 0


def prepare(folder: Path, models: Sequence[bytes]) -> None:
    """Write the station file and the models that the person will activate."""
    (folder / "station.toml").write_text(STATION)
    station = load_station(folder / "station.toml")
    device = Device(ModelStore(folder / "unused"), station, Trust(allow_unsigned=True), SystemClock())
    for number, content in enumerate(models):
        (folder / f"model-{number}.sorter").write_bytes(content)
        evidence = prove(read_bundle(content, "model"), device)
        (folder / f"model-{number}.json").write_text(evidence.model_dump_json())


class _Report:
    """Writes to a descriptor what is stored: `items 12`, `calibration 3`, and the like."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._numbers = dict.fromkeys(FACTS, 0)

    def __call__(self, fact: str, number: int) -> None:
        os.write(self._descriptor, f"{fact} {number}\n".encode())
        self._numbers[fact] = number

    def up(self, state: State, faults: Sequence[str]) -> None:
        os.write(self._descriptor, f"up {state} {','.join(faults)}\n".encode())

    def is_enough(self, enough: int) -> bool:
        return min(self._numbers.values()) >= enough


def work(folder: Path, descriptor: int, enough: int | None = None) -> None:
    """Sort, calibrate and activate; report what is stored, and end when there is enough of each."""
    station, report = load_station(folder / "station.toml"), _Report(descriptor)
    built = build_station(station)
    assert built.reporting.journal is not None
    _tell_items(built.reporting.journal, report)
    runtime = Runtime(built)
    told = []

    def look(_now: int) -> None:
        health = built.health
        if not told and health.state is not State.STARTING:
            told.append(health.state)
            report.up(health.state, [fault.kind for fault in health.faults])
            threading.Thread(target=_change_things, args=(folder, station.state_folder, report), daemon=True).start()
        if enough is not None and report.is_enough(enough):
            runtime.stop()

    runtime.run(on_tick=look)


def _tell_items(journal: Journal, report: _Report) -> None:
    record, store, seen = journal.record, journal.store_pending, [0]

    def recording(entry: Entry) -> None:
        record(entry)
        seen[0] += isinstance(entry, Outcome)

    def storing() -> int:
        before = seen[0]
        stored = store()
        if not journal.counts.pending and not journal.counts.lost and before:
            report("items", before)
        return stored

    journal.record, journal.store_pending = recording, storing  # type: ignore[method-assign]


def _change_things(folder: Path, state: Path, report: _Report) -> None:
    store, digest = ModelStore(state / "models"), step_digest(load_station(folder / "station.toml"), "background")
    for number in count(calibration_number(state) + 1):
        step = BackgroundStep(measured_at=DATE, of=digest, seconds=number, separability=9, false_items=0)
        save_calibration(state, Calibration(station="cut", background=step), f"{number:06}")
        report("calibration", number)
        name = folder / f"model-{number % 2}"
        evidence = Evidence.model_validate_json(name.with_suffix(".json").read_bytes())
        store.add(name.with_suffix(".sorter").read_bytes(), evidence)
        generation = store.activate(evidence.digest, "test", DATE)
        report("generation", generation.number)
        time.sleep(0.05)


def calibration_number(state: Path) -> int:
    """The number of the calibration that is there, 0 for none; CalibrationError if it is damaged."""
    calibration = load_calibration(state)
    return 0 if calibration is None or calibration.background is None else round(calibration.background.seconds)


def what_is_wrong(state: Path, confirmed: Confirmed) -> list[str]:
    """Hold what a cut has left against what was confirmed, before anything is started on it."""
    wrong: list[str] = []
    try:
        if (found := calibration_number(state)) < confirmed.calibration:
            wrong.append(f"calibration {confirmed.calibration} was confirmed, {found} is there")
        active = ModelStore(state / "models").active()
        if active is not None:
            ModelStore(state / "models").open(active.current)
        if confirmed.generation and (active is None or active.number < confirmed.generation):
            wrong.append(f"generation {confirmed.generation} was confirmed, {active} is active")
        if confirmed.items:  # before, the file may be half begun
            wrong += check_journal(state / "journal.db")
            if (items := count_items(state)) < confirmed.items:
                wrong.append(f"{confirmed.items} items were confirmed, {items} are there")
    except SorterError as error:
        wrong.append(str(error))
    return wrong


def count_items(state: Path) -> int:
    if not (state / "journal.db").exists():
        return 0
    return sum(1 for _ in read_all(state / "journal.db", ItemRecord, Query()))


if __name__ == "__main__":
    work(Path(sys.argv[1]), 1, int(sys.argv[2]))
