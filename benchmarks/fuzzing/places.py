"""Something else in the place of any file or folder of a station that has run, and all that reads those files."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import tomli_w
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.bundle.signature import public_line
from edge.config import load_station
from edge.config.calibration.files import FILE_NAME
from edge.config.calibration.recover import load_or_quarantine
from edge.errors import SorterError
from edge.health.monitors.bin_levels import BinLevels, capacities_of
from edge.journal.reading import check_journal
from edge.models.select import open_station_bundle, open_store
from edge.models.verify import verify_store
from edge.station.stops.latch import EstopLatch, Latch, PauseLatch
from edge.station.stops.safe_outputs import NOTE, read_safe_outputs, save_outputs
from fuzzing.calibrations import example
from fuzzing.case import THINGS, Case
from fuzzing.examples import STATION, make_safe, small_bundle
from fuzzing.journals import record
from fuzzing.receiving import Talk, hear, install, make_state, pull_request, push_request

# What is not always there.
MAY_BE_THERE = (
    "state/emergency-stop", "state/paused", "state/journal.db-wal", "state/journal.db-shm", "state/models/shadow",
    "state/models/.sessions", "state/models/probation/000001.json", "state/pictures", "keys/b.pub",
    "state/damaged-bin-levels.json", "state/damaged-calibration.toml", "state/shadow", "state/calibrations",
)  # fmt: skip
PRECIOUS = "of somebody else"


def place(folder: Path) -> Callable[[Case], None]:
    """Nothing waits for it, every reader goes on or says so, `sorter safe` drives all pins, and no link is written through."""
    whole, model, coming = folder / "whole", small_bundle(), small_bundle("2.0")
    _make_station(whole, model)
    names = sorted({str(path.relative_to(whole)) for path in whole.rglob("*")} | set(MAY_BE_THERE))

    def run(case: Case) -> None:
        chance, station = case.chance, case.folder / "station" / "station.toml"
        shutil.copytree(whole, station.parent, symlinks=True)
        (case.folder / "precious").write_text(PRECIOUS)
        things = {**THINGS, "a link to somebody's file": lambda path: path.symlink_to(case.folder / "precious")}
        planted = chance.sample(names, chance.choice((1, 1, 1, 2, 3)))
        for name in planted:
            _plant(station.parent / name, things[chance.choice(list(things))])
        os.environ["STATE_DIRECTORY"] = str(station.parent / "state")
        is_told = not {"station.toml"} & set(planted) or not {"state", f"state/{NOTE}"} & set(planted)
        make_safe(station) if is_told else read_safe_outputs(station)
        for use in _uses(station, coming):
            with suppress(SorterError, OSError):
                use()
        assert (case.folder / "precious").read_text() == PRECIOUS, "somebody else's file was written through a link"

    return run


def _make_station(folder: Path, model: bytes) -> None:
    folder.mkdir()
    (folder / "station.toml").write_text(STATION)
    state, station = make_state(folder / "station.toml"), load_station(folder / "station.toml")
    record(state)
    install(folder / "station.toml", model)
    save_outputs(state, station.model_dump())
    (state / FILE_NAME).write_bytes(tomli_w.dumps(example(station)).encode())
    (state / "bin-levels.json").write_text('{"paper": {"items": 3}}')
    (folder / "keys").mkdir()
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    (folder / "keys" / "anna.pub").write_text(public_line(key.public_key()) + "\n")


def _plant(path: Path, thing: Callable[[Path], object]) -> None:
    """Put it in the place of what is there."""
    if not path.parent.is_dir():
        return
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    thing(path)


def _uses(station_file: Path, coming: bytes) -> Iterator[Callable[[], object]]:
    """All that reads and writes a station's files, in the order of a start."""
    pull, push = (json.dumps(request).encode() + b"\n" for request in (pull_request(), push_request(coming)))
    wanted = b'["calibration.toml"]'
    yield lambda: hear(station_file, Talk(pull + json.dumps({"size": len(wanted)}).encode() + b"\n" + wanted))
    yield lambda: hear(station_file, Talk(push + coming[:-1]))
    try:
        station = load_station(station_file)
    except SorterError:
        return
    state, store = station.state_folder, open_store(station)
    yield lambda: load_or_quarantine(station)
    yield lambda: save_outputs(state, station.model_dump())
    yield lambda: open_station_bundle(station)
    yield lambda: verify_store(store)
    yield lambda: (store.models(), store.history(), store.shadow())
    yield lambda: check_journal(state / "journal.db")
    yield lambda: record(state)
    yield lambda: _stop_and_go_on(EstopLatch(state))
    yield lambda: _stop_and_go_on(PauseLatch(state))
    yield lambda: BinLevels(capacities_of(station), state)


def _stop_and_go_on(latch: Latch) -> None:
    latch.save(True)
    latch.save(False)
