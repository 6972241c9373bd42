"""Runs in the machine: strokes of all kinds of actuators, planned and carried out by the product's own parts while inference runs.

    /opt/edge-sorter/bin/python strokes.py STATION > planned.json

What was planned and what the product says became of it is printed; what the lines did, the kernel knows.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path

import numpy as np

from edge.bundle.archive import open_bundle
from edge.bundle.preprocess import prepare_crop
from edge.clock import SystemClock, ms
from edge.config import Station, load_station
from edge.devices.actuators import open_actuators
from edge.devices.actuators.schedule import Schedule
from edge.devices.gpio.pins import open_pins
from edge.inference.classifier import shipped_bundle_path
from edge.inference.process import open_in_process
from edge.system.realtime import Priority, lock_memory, real_time
from edge.types import Actuation

TASKS = Path("/proc/self/task")
LEAD_MS = 400.0
# By actuator: how often, how far apart, how long, and to which position.
PLAN = {
    "valve": (60, 150.0, 40.0, ""),
    "relay": (30, 300.0, 80.0, ""),
    "arm": (5, 2600.0, 500.0, "out"),
    "carousel": (4, 3200.0, 1500.0, "quarter"),
}


def main(station: Station) -> None:
    clock, stop = SystemClock(), threading.Event()
    lock_memory()
    before = set(TASKS.iterdir())
    pins = open_pins()
    started = [os.sched_getscheduler(int(task.name)) for task in set(TASKS.iterdir()) - before]
    actuators = open_actuators(station, pins, clock)
    schedule = Schedule(actuators, {one.name: ms(one.max_on_ms) for one in station.actuators})
    strokes: list[dict[str, object]] = []

    def actuate() -> None:
        with real_time(Priority.ACTUATION):
            while not stop.is_set():
                schedule.wait(clock, stop)
                for stroke in schedule.run_due(clock.now()):
                    planned = stroke.actuation
                    strokes.append(
                        {
                            "actuator": planned.actuator,
                            "fire_at": planned.fire_at,
                            "release_at": planned.release_at,
                            "outcome": str(stroke.outcome),
                        }
                    )

    thread = threading.Thread(target=actuate)
    thread.start()
    bundle = open_bundle(shipped_bundle_path())
    model = open_in_process(bundle, answer_s=60.0)
    picture = prepare_crop(np.full((240, 240, 3), 128, np.uint8), None, bundle.manifest.geometry)
    ends_at = 0
    for name, (count, every_ms, long_ms, position) in PLAN.items():
        begins_at = clock.now() + ms(LEAD_MS)
        for number in range(count):
            at = begins_at + ms(number * every_ms)
            schedule.plan(Actuation(name, at, at + ms(long_ms), (number,), position))
            ends_at = max(ends_at, at + ms(long_ms))
    inferences = 0
    while clock.now() < ends_at + ms(1500):
        model.run(picture)
        inferences += 1
    stop.set()
    thread.join()
    for actuator in actuators.values():
        actuator.close()
    model.close()
    real_time_threads = [policy == os.SCHED_FIFO for policy in started]
    told = {"strokes": strokes, "inferences": inferences, "real_time_threads": real_time_threads}
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main(load_station(Path(sys.argv[1])))
