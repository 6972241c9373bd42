"""From the edge at the emergency stop's input to every pin safe, while inference takes all cores.

    python benchmarks/estop.py [--presses 1000] [--change-every 5] [--in-process] [--bad-clients 20]

The edge comes as it does on a Pi: a thread of the pin backend, which inherits the priority that the
runtime gives it, wakes from a read of the kernel's pipe and calls the pin. Here a process of its own
writes into that pipe at random instants and stamps them with the clock that both share. Meanwhile the vision
thread takes picture after picture, and one more process for each core infers without a pause. With --change-every a
model is loaded and put to work every few presses; with --in-process it runs in the station's own process, to compare.
With --bad-clients the page is served beside, first to nobody, then to so many clients that misbehave (benchmarks/bad_clients.py).
Presses that fell into a stall of the machine itself (benchmarks/witness.py) are counted apart.
"""

from __future__ import annotations

import argparse
import os
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from bad_clients import misbehaving
from served_page import served
from witness import Witness

from edge.bundle.archive import open_bundle
from edge.clock import SystemClock, ms
from edge.config import Station, load_station
from edge.devices.actuators import open_actuators
from edge.devices.actuators.schedule import Schedule
from edge.devices.gpio.inputs import InputWiring
from edge.devices.gpio.mock_pins import RestingPins
from edge.health.health import Health
from edge.health.monitors import Observer
from edge.inference.classifier import BundleClassifier, shipped_bundle_path
from edge.inference.interpreter import open_interpreter
from edge.inference.process import open_in_process
from edge.station.runtime import SWITCH_INTERVAL_S
from edge.station.safe_state import OutputPins, SafeState
from edge.station.station_io import StationIO
from edge.status.live import LiveView
from edge.system.realtime import Priority, real_time, settled_memory
from edge.types import Actuation, Frame

ESTOP_PIN = 20
STATION = Path(__file__).resolve().parents[1] / "edge" / "stations" / "demo.toml"
LIMIT_MS = 5.0
# What it is called, whether the thread has its priority, and whether clients misbehave; None: no page is served.
RUNS = (("as the runtime does", True, None), ("without priority", False, None))
WITH_PAGE = (("a page that nobody looks at", True, False), ("clients that misbehave", True, True))

PRESSER = """
import os, random, struct, sys, time
try:
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(60))  # a button does not wait for a processor
except OSError:
    pass
for _ in range(int(sys.argv[1])):
    sys.stdin.buffer.read(1)
    time.sleep(random.uniform(0.01, 0.04))
    os.write(1, struct.pack("q", time.monotonic_ns()))
"""


class Bench:
    """A station on mock pins whose vision thread looks at pictures without a pause."""

    def __init__(self, open_classifier: Callable[[], BundleClassifier], change_every: int) -> None:
        self.open_classifier, self.change_every = open_classifier, change_every
        self.classifier = open_classifier()
        self.change_wanted, self.changeovers, self.presses = threading.Event(), 0, 0
        station = load_station(STATION)
        with_button = station.model_dump() | {"safety": station.safety.model_dump() | {"estop_pin": ESTOP_PIN}}
        self.station = Station.model_validate(with_button)  # which refuses a pin that is in use
        self.clock = SystemClock()
        self.pins = RestingPins()
        self.actuators = open_actuators(self.station, self.pins, self.clock)
        self.schedule = Schedule(self.actuators, {name: ms(2000) for name in self.actuators})
        self.health = Health(self.clock.now())
        observer, outputs = Observer(), OutputPins()
        self.safe_state = SafeState(self.schedule, self.pins, outputs, self.health, self.clock, observer)
        stop = self.safe_state.emergency_stop
        self.station_io = StationIO(InputWiring.of(self.station), self.pins, self.clock, self.health, stop, observer)
        self.station_io.open()
        self.stop = threading.Event()
        self.inferences = 0
        self.live: LiveView | None = None

    @property
    def outputs(self) -> list[Any]:
        return [self.pins.pin(pin) for a in self.station.actuators for pin in a.pins().values()]

    def saturate(self) -> None:
        """Infer without a pause, on every core."""
        pixels = np.random.default_rng(1).integers(0, 256, (480, 640, 3), np.uint8)
        frame = Frame(pixels, self.clock.now(), 0)
        with real_time(Priority.VISION):
            while not self.stop.is_set():
                self.classifier.classify_photo(pixels)
                self.inferences += 1
                if self.live is not None:
                    self.live.publish_frame(replace(frame, captured_at=self.clock.now(), sequence=self.inferences), ())
                time.sleep(0.001)  # between two frames; a real-time thread that never waits is put aside by the kernel

    def keep_changing(self) -> None:
        """Load a model and put it to work whenever it is wanted, as the models' thread does."""
        with real_time(Priority.RECORDS):
            while not self.stop.is_set():
                self.change_wanted.wait()
                self.change_wanted.clear()
                before, self.classifier = self.classifier, self.open_classifier()
                looked = self.inferences
                while self.inferences < looked + 2:  # then the vision thread has done with the old one
                    time.sleep(0.01)
                before.close()
                self.changeovers += 1

    def arm(self) -> None:
        """Fire every actuator, as in the middle of sorting."""
        pin: Any = self.pins.pin(ESTOP_PIN)
        pin.drive_high()
        time.sleep(0.01)  # the contact comes to rest
        self.station_io.poll(self.clock.now())
        self.health.chain_closed(self.clock.now())
        self.health.reset(self.clock.now())
        self.safe_state.leave()
        now = self.clock.now()
        for actuator in self.station.actuators:
            self.schedule.plan(Actuation(actuator.name, now, now + ms(1500), (1,)))
        self.schedule.run_due(now)
        assert all(pin.state for pin in self.outputs)

    def press(self) -> int:
        """Take the edge; return the instant at which every pin is safe."""
        pin: Any = self.pins.pin(ESTOP_PIN)
        pin.drive_low()
        safe_at = self.clock.now()
        assert not any(pin.state for pin in self.outputs)
        self.presses += 1
        if self.change_every and self.presses % self.change_every == 0:
            self.change_wanted.set()
        return safe_at


def measure(bench: Bench, presses: int, prioritised: bool) -> list[tuple[int, int]]:
    """Return (edge, safe) of each press, in nanoseconds."""
    spans: list[tuple[int, int]] = []
    presser = subprocess.Popen(
        [sys.executable, "-c", PRESSER, str(presses)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert presser.stdin is not None
    assert presser.stdout is not None
    pipe = presser.stdout.fileno()

    def backend() -> None:
        assert presser.stdin is not None
        for _ in range(presses):
            bench.arm()
            presser.stdin.write(b".")
            presser.stdin.flush()
            content = os.read(pipe, 8)
            safe_at = bench.press()
            spans.append((struct.unpack("q", content)[0], safe_at))

    with real_time(Priority.EMERGENCY_STOP) if prioritised else nullcontext():
        thread = threading.Thread(target=backend)
        thread.start()
    thread.join()
    presser.wait()
    return spans


def describe(spans: list[tuple[int, int]]) -> tuple[str, float]:
    """Return count, median, p99 and worst in words, and the worst in ms."""
    delays = sorted((ended - begun) / 1e6 for begun, ended in spans)
    if not delays:
        return "none", 0.0
    median, p99 = delays[len(delays) // 2], delays[len(delays) * 99 // 100]
    return f"{len(delays)}: median {median:.2f} ms, p99 {p99:.2f} ms, worst {delays[-1]:.2f} ms", delays[-1]


def main() -> None:
    """Print the delays, with the priority that the runtime gives and without."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--presses", type=int, default=1000)
    parser.add_argument("--change-every", type=int, default=0, help="presses between two changeovers; 0: none")
    parser.add_argument("--bad-clients", type=int, help="clients that misbehave at the page; left out: no page")
    parser.add_argument("--in-process", action="store_true", help="run the model in the station's process")
    options = parser.parse_args()
    presses = options.presses
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    cores = os.cpu_count() or 1
    path = shipped_bundle_path()
    open_model = open_interpreter if options.in_process else partial(open_in_process, priority=Priority.VISION)
    bench = Bench(lambda: BundleClassifier(open_bundle(path), cores, open_model=open_model), options.change_every)
    for work in (bench.saturate, bench.keep_changing):
        threading.Thread(target=work, daemon=True).start()
    command = [sys.executable, str(Path(__file__).with_name("actuation.py")), "--infer", "--bundle", str(path)]
    hogs = [subprocess.Popen(command) for _ in range(cores)]
    time.sleep(3.0)
    worst = 0.0
    with settled_memory(), tempfile.TemporaryDirectory() as folder:
        for label, prioritised, clients in RUNS if options.bad_clients is None else WITH_PAGE:
            witness, told = Witness(), str
            witness.begin(str(Path(folder) / label))
            begun, before, changed = time.monotonic(), bench.inferences, bench.changeovers
            with ExitStack() as beside:
                page = None if clients is None else beside.enter_context(served())
                bench.live = None if page is None else page.live
                if page is not None and clients:
                    told = beside.enter_context(misbehaving(page.port, options.bad_clients))
                spans = measure(bench, presses, prioritised)
            rate = (bench.inferences - before) / (time.monotonic() - begun)
            witness.end()
            undisturbed, worst_ms = describe([span for span in spans if not witness.saw(*span)])
            beside = f"{rate:.0f} inferences/s and {bench.changeovers - changed} changeovers beside"
            print(f"{label}, with {beside}: all {describe(spans)[0]}")
            print(f"  undisturbed {undisturbed}\n  {witness}", *filter(None, [told()]), sep="\n  ")
            worst = worst_ms if prioritised else worst
    bench.stop.set()
    for hog in hogs:
        hog.kill()
    print(f"undisturbed, worst: {'within' if worst <= LIMIT_MS else 'NOT within'} {LIMIT_MS:g} ms")
    sys.exit(worst > LIMIT_MS)


if __name__ == "__main__":
    main()
