"""Feeds the program damaged and hostile files, frames and requests; each has to end in one sentence or in nothing.

    python benchmarks/fuzz.py [--cases 10000] [--seed 1]

A finding is an exception that is no SorterError, a pin that is left on or driven beyond its limits, or a case that
computes for longer than 10 s or is not over after two minutes. The same seed gives the same cases.
"""

from __future__ import annotations

import argparse
import copy
import json
import logging
import os
import random
import shutil
import socket
import sys
import tempfile
import threading
import time
import tomllib
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from edge.bundle.archive import bundle_bytes, read_bundle
from edge.clock import SystemClock, VirtualClock, ms
from edge.config import Station, load_station
from edge.config.calibration.files import FILE_NAME, parse_calibration
from edge.config.calibration.overlay import apply_calibration, step_digest
from edge.config.calibration.recover import load_or_set_aside
from edge.config.station import JournalSettings
from edge.devices.actuators import open_actuators
from edge.devices.gpio.mock_pins import MockPins
from edge.errors import JournalError, SorterError
from edge.inference.classifier import shipped_bundle_path
from edge.journal import open_journal
from edge.journal.reading import check_journal
from edge.station.safe_outputs import NOTE, drive_safe, note_outputs, read_safe_outputs
from edge.status.live import LiveView
from edge.tools.simulate.build import Conditions, build_virtual_run
from edge.tools.simulate.virtual_run import VirtualRun
from edge.types import Event, Frame
from edge.web import PageServer, build_app

STATIONS = Path(__file__).resolve().parents[1] / "edge" / "stations"
SLOW_S = 10.0  # of computing: a busy machine is no finding
HANGING_S = 120.0
WORDS = [
    b"\x00",
    b"\xff\xfe",
    b"nan",
    b"-1",
    b"1e400",
    b"99999999999999999999",
    b'""',
    b"[[",
    b"]]",
    b"{}",
    b"\n\n",
    b"../",
]
VALUES: list[Any] = [
    "", "x" * 70_000, "../../etc/passwd", "\x00", [], {}, [[]], {"": {}}, True, -1, 0, 1, 5, 10**30, -0.0, 1e308,
    float("nan"), float("inf"),
]  # fmt: skip
# Whatever may lie in a file's place.
THINGS: list[Callable[[Path], Any]] = [
    os.mkfifo,
    Path.mkdir,
    Path.touch,
    lambda path: path.symlink_to("/dev/zero"),
    lambda path: path.symlink_to("nowhere"),
    lambda path: path.symlink_to(path.name),
    lambda path: path.write_bytes(b"\xff" * 2_000_000),
    lambda path: path.write_text("a = " + "[" * 50_000),
    lambda path: None,
]
PINS_STATION = """
name = "pins"
kind = "conveyor"
state_folder = "."
camera = {type = "v4l2"}
belt = {speed_mm_per_s = 250, mm_per_pixel = 0.8, run_pin = 26}
[[actuators]]
name = "arm"
type = "servo"
pin = 18
safe_us = 1500
positions_us = {out = 1700}
min_us = 1200
max_us = 1800
[[actuators]]
name = "valve"
type = "digital"
pin = 17
[[bins]]
name = "paper"
labels = ["paper"]
actuator = "arm"
position = "out"
distance_mm = 300
[[bins]]
name = "residual"
"""
REQUEST = b"GET /api/status?since=3 HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\nContent-Length: 0\r\n\r\n"


def mutate(content: bytes, chance: random.Random) -> bytes:
    """Flip, cut, repeat, insert or swap; one to eight times."""
    changed = bytearray(content)
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(len(changed) + 1)
        length = chance.choice((1, 1, 2, 8, 64, 512))
        match chance.randrange(6):
            case 0 if changed:
                changed[at % len(changed)] ^= 1 << chance.randrange(8)
            case 1:
                del changed[at : at + length]
            case 2:
                changed[at:at] = changed[at : at + length]
            case 3:
                changed[at:at] = chance.choice(WORDS)
            case 4:
                changed[at : at + length] = chance.randbytes(length)
            case _:
                del changed[at:]
    return bytes(changed)


def mutate_value(table: Any, chance: random.Random) -> None:
    """Put something else in the place of one to three values of a parsed file, or drop them."""
    for _ in range(chance.randint(1, 3)):
        at = table
        while True:
            keys = list(at) if isinstance(at, dict) else list(range(len(at)))
            if not keys:
                break
            key = chance.choice(keys)
            if isinstance(at[key], dict | list) and at[key] and chance.random() < 0.9:
                at = at[key]
                continue
            if chance.random() < 0.2:
                del at[key]
            else:
                at[key] = copy.deepcopy(chance.choice(VALUES))  # it may be the next to be changed
            break


def example_calibration(station: Station) -> dict[str, Any]:
    """Every step of a calibration that holds for the station."""

    def step(name: str, part: str = "") -> dict[str, str]:
        return {"measured_at": "2026-11-01T10:00:00Z", "of": step_digest(station, name, part)}

    region = {"identity": "camera", "x": 0, "y": 0, "width": 640, "height": 480}
    light = {"focus": 0.4, "brightness": 90.0, "brightness_spread": 1.0, "mm_per_pixel": 0.8}
    speed = {"speed_mm_per_s": 251.2, "speed_spread": 0.5, "direction": "right", "repeats": 3}
    stroke = {"lead_ms": 38.0, "lead_spread_ms": 1.0, "return_ms": 41.0, "repeats": 5}
    limits = {"bundle": "0" * 64, "temperature": 1.2, "minimum_score": {"glass": 0.6}, "purity": 0.95, "samples": 90}
    table = {
        "format_version": 1,
        "station": station.name,
        "camera": {**step("camera"), **region, **light},
        "background": {**step("background"), "seconds": 8.0, "separability": 5.0, "false_items": 0},
        "belt": {**step("belt"), **speed},
        "diverters": {a.name: {**step("diverters", a.name), **stroke} for a in station.actuators},
        "thresholds": {**step("thresholds"), **limits},
    }
    apply_calibration(station, parse_calibration(tomli_w.dumps(table).encode(), Path("example")))
    return table


@dataclass
class Fuzzer:
    """One target for each kind of thing that comes from outside."""

    folder: Path
    chance: random.Random
    findings: list[str] = field(default_factory=list)
    _run: VirtualRun | None = None
    _journal: bytes = b""
    _calibration: dict[str, Any] = field(default_factory=dict)

    def station(self) -> None:
        path = self.folder / "station.toml"
        source = self.chance.choice(sorted(STATIONS.glob("*.toml")))
        content = source.read_bytes()
        if self.chance.random() < 0.5:
            content = mutate(content, self.chance)
        else:
            table = tomllib.loads(content.decode())
            mutate_value(table, self.chance)
            content = tomli_w.dumps(table).encode()
        path.write_bytes(content)
        read_safe_outputs(path)  # what drives the pins after a crash understands what it can of any file
        load_station(path)

    def calibration(self) -> None:
        if not self._calibration:
            self._calibration = example_calibration(load_station(STATIONS / "demo.toml"))
        table = copy.deepcopy(self._calibration)
        content = tomli_w.dumps(table).encode()
        if self.chance.random() < 0.3:
            content = mutate(content, self.chance)
        else:
            mutate_value(table, self.chance)
            content = tomli_w.dumps(table).encode()
        calibration = parse_calibration(content, Path("calibration.toml"))
        apply_calibration(load_station(STATIONS / "demo.toml"), calibration)

    def pins(self) -> None:
        """Calibration numbers, and things in the place of files: no pulse leaves its limits, and no output stays on."""
        folder = self.folder / "pins"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        (folder / "station.toml").write_text(PINS_STATION)
        station = load_station(folder / "station.toml")
        note_outputs(folder, station.model_dump())
        step: dict[str, Any] = {"lead_ms": 80.0, "lead_spread_ms": 1.0, "return_ms": 90.0, "repeats": 5}
        step |= {"safe_us": 1500, "min_us": 1250, "max_us": 1750, "positions_us": {"out": 1700}}
        mutate_value(step, self.chance)
        if self.chance.random() < 0.5:
            step |= {self.chance.choice(("safe_us", "min_us", "max_us")): self.chance.randint(400, 2600)}
        step |= {"measured_at": "", "of": step_digest(station, "diverters", "arm")}
        table = {"format_version": 1, "station": "pins", "diverters": {"arm": step}}
        (folder / FILE_NAME).write_bytes(tomli_w.dumps(table).encode())
        if (name := self.chance.choice((None, "station.toml", FILE_NAME, NOTE))) is not None:
            (folder / name).unlink()
            self.chance.choice(THINGS)(folder / name)
        os.environ["STATE_DIRECTORY"] = str(folder)
        safe = MockPins()
        drive_safe(read_safe_outputs(folder / "station.toml").outputs, safe, VirtualClock())
        if any(safe.pin(n).function != "output" or safe.pin(n).state for n in (26, 17, 18)):
            raise AssertionError("`sorter safe` leaves a pin on")
        driven, clock = MockPins(), VirtualClock()
        for actuator in open_actuators(
            apply_calibration(station, load_or_set_aside(station)[0]), driven, clock
        ).values():
            for position in actuator.positions:
                actuator.fire(position)
            actuator.close()
        widths = [state.state * 20_000 for pins in (safe, driven) for state in pins.pin(18).states if state.state]
        if not all(1199.5 < width < 1800.5 for width in widths):
            raise AssertionError(f"pulses of {widths} us; expected 1200 to 1800")

    def bundle(self) -> None:
        if self.chance.random() < 0.5:
            read_bundle(mutate(BUNDLE, self.chance), "fuzzed")
            return
        whole = read_bundle(BUNDLE, "whole")
        manifest = json.loads(whole.manifest_bytes)
        mutate_value(manifest, self.chance)
        members = {**whole.members, "manifest.json": json.dumps(manifest).encode()}
        read_bundle(bundle_bytes(replace(whole, members=members)), "fuzzed")

    def frame(self) -> None:
        """A frame of any size and form in the middle of a run; nothing may be fired for it."""
        if self._run is None:
            self._run = build_virtual_run(load_station(STATIONS / "demo.toml"), Conditions())
            self._run.run(0.2)
        rig = self._run.rig
        rig.clock.advance_to(rig.clock.now() + ms(33))
        pixels = self._pixels()
        rig.supervisor.take(rig.line, Frame(pixels, rig.clock.now() + self.chance.randint(-(10**12), 10**12), 7))
        rig.schedule.run_due(rig.clock.now())
        if pixels.shape != (480, 640, 3) and not rig.supervisor.health.held:
            raise AssertionError("strokes are not held after a frame that is none")

    def _pixels(self) -> Any:
        chance = self.chance
        sizes = (0, 1, 2, 63, 64, 480, 640, 4096)
        match chance.randrange(6):
            case 0:
                shape: tuple[int, ...] = (chance.choice(sizes), chance.choice(sizes), 3)
            case 1:
                shape = (480, 640, chance.choice((0, 1, 2, 4)))
            case 2:
                shape = (480, 640)
            case 3:  # a view, not contiguous
                return np.zeros((960, 1280, 3), np.uint8)[::2, ::2]
            case 4:
                return np.full((480, 640, 3), chance.choice((0, 255)), chance.choice((np.uint8, np.float32, np.int64)))
            case _:
                return np.random.default_rng(chance.randrange(1000)).integers(0, 256, (480, 640, 3), np.uint8)
        return np.zeros(shape, np.uint8)

    def request(self) -> None:
        """Send it to a page that is up; it has to go on answering."""
        content = mutate(REQUEST, self.chance)
        with socket.create_connection(("127.0.0.1", PAGE.port), timeout=SLOW_S) as visitor:
            visitor.sendall(content)
            visitor.shutdown(socket.SHUT_WR)
            visitor.settimeout(SLOW_S)
            while visitor.recv(65536):
                pass

    def journal(self) -> None:
        """Damage the file; the next start goes on with it or sets it aside, and stores."""
        folder = self.folder / "journal"
        folder.mkdir(exist_ok=True)
        for old in folder.iterdir():
            if old.is_file():
                old.unlink()
        clock = VirtualClock()
        if not self._journal:
            self._store(folder, clock)
            self._journal = (folder / "journal.db").read_bytes()
        (folder / "journal.db").write_bytes(mutate(self._journal, self.chance))
        with suppress(JournalError):
            check_journal(folder / "journal.db")
        self._store(folder, clock)

    def _store(self, folder: Path, clock: VirtualClock) -> None:
        journal = open_journal(folder, JournalSettings(), clock)
        for n in range(50):
            journal.record(Event("note", clock.now(), f"event {n}"))
        journal.close()
        journal.close()
        if journal.counts.pending or journal.counts.lost:
            raise AssertionError(f"not stored: {journal.counts}")


BUNDLE = shipped_bundle_path().read_bytes()
PAGE: PageServer


def open_page(folder: Path) -> PageServer:
    clock = SystemClock()
    station = load_station(STATIONS / "demo.toml")
    return PageServer(build_app(LiveView(clock), station, folder / "none.db", clock), "127.0.0.1", 0)


def attempt(case: Callable[[], None], fuzzer: Fuzzer) -> str:
    """Run one case; return how it ended."""
    begun, computed = time.monotonic(), time.process_time()
    try:
        case()
        ended = "taken"
    except SorterError as error:
        ended = "refused" if str(error).strip() else "refused without a word"
    except OSError:
        ended = "cut off"
    except Exception:  # noqa: BLE001 - what nobody expects is what is looked for
        fuzzer.findings.append(f"{case.__name__}:\n{traceback.format_exc()}")
        ended = "FINDING"
    took = time.process_time() - computed
    if took > SLOW_S or time.monotonic() - begun > HANGING_S:
        fuzzer.findings.append(f"{case.__name__} took {time.monotonic() - begun:.1f} s, {took:.1f} s of computing")
    return ended


class Tracebacks(logging.Handler):
    """Whatever a thread logs with a traceback is a finding too."""

    def __init__(self, fuzzer: Fuzzer) -> None:
        super().__init__(logging.ERROR)
        self.fuzzer = fuzzer

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self.fuzzer.findings.append(logging.Formatter().format(record))


def fuzz(cases: int, seed: int, folder: Path) -> tuple[Counter[str], list[str]]:
    """Run the cases, evenly over the targets; return how they ended, and the findings."""
    global PAGE
    fuzzer = Fuzzer(folder, random.Random(seed))
    logging.getLogger().addHandler(Tracebacks(fuzzer))
    logging.getLogger("edge").setLevel(logging.CRITICAL)
    PAGE = open_page(folder)
    threading.Thread(target=PAGE.run, daemon=True).start()
    targets = [
        fuzzer.station,
        fuzzer.calibration,
        fuzzer.pins,
        fuzzer.bundle,
        fuzzer.frame,
        fuzzer.request,
        fuzzer.journal,
    ]
    ends: Counter[str] = Counter()
    for n in range(cases):
        target = targets[n % len(targets)]
        ends[f"{target.__name__} {attempt(target, fuzzer)}"] += 1
    PAGE.stop()
    return ends, fuzzer.findings


def main() -> None:
    """Print how the cases ended."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        ends, findings = fuzz(options.cases, options.seed, Path(name))
    for end, count in sorted(ends.items()):
        print(f"{count:6} {end}")
    print(*findings[:20], sep="\n")
    print(f"{options.cases} cases in {time.monotonic() - begun:.0f} s, {len(findings)} findings")
    sys.exit(bool(findings))


if __name__ == "__main__":
    main()
