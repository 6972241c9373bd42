"""How late strokes are fired while inference saturates two cores, with and without real-time priorities.

    python benchmarks/actuation.py [--strokes N] [--bundle B] [--json] [--bad-clients 20]

As in `sorter run`: a vision thread takes 60 frames a second through the whole line (finding, following, inference in the
model's own process) while the actuation thread carries out a Schedule whose strokes were planned before. Two more
processes infer without a pause, one for each core. `late` is from the planned instant to the movement, in ms.
SCHED_FIFO gives the threads and the model's process the priorities of `edge/system/realtime.py` and locks their memory, as the
service does; the two others have none.
With --bad-clients the page is served beside, first to nobody, then to so many clients that misbehave (benchmarks/bad_clients.py).
Strokes that fell into a stall of the machine itself (benchmarks/witness.py) are left out of a second line of figures.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack, closing, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from bad_clients import misbehaving
from served_page import served
from witness import Witness

from edge.bundle.archive import open_bundle
from edge.bundle.preprocess import prepare_crop
from edge.clock import NS_PER_S, SystemClock, ms
from edge.config import Station
from edge.devices.actuators.fake import FakeActuator
from edge.devices.actuators.schedule import Schedule
from edge.inference.classifier import BundleClassifier, shipped_bundle_path
from edge.inference.process import open_in_process
from edge.line import Line
from edge.policy import Policy
from edge.sensing import build_trigger
from edge.station.runtime import SWITCH_INTERVAL_S
from edge.status.live import LiveView
from edge.system.realtime import Priority, lock_memory, real_time, settled_memory
from edge.transport import build_belt, build_transport
from edge.types import Actuation, Box, Frame, Stroke, StrokeOutcome

PULSE_MS = 6.0
FRAMES_PER_S = 60
AIM_MS = 0.5
# By name: whether clients misbehave; None: no page is served.
RUNS = (("plain", None), ("SCHED_FIFO", None))
WITH_PAGE = (("SCHED_FIFO, a page that nobody looks at", False), ("SCHED_FIFO, clients that misbehave", True))


def build_line(classifier: BundleClassifier) -> Line:
    """Return a line for a 640 x 480 conveyor."""
    table = {
        "name": "bench",
        "kind": "conveyor",
        "camera": {"type": "folder", "path": "."},
        "belt": {"speed_mm_per_s": 500, "mm_per_pixel": 0.8},
        "bins": [{"name": "residual"}],
    }
    station = Station.model_validate(table)
    belt = build_belt(station)
    policy = Policy(station.bins, dict.fromkeys(classifier.labels, 0.5), 0.0)
    return Line(SystemClock(), build_trigger(station, belt), classifier, policy, build_transport(station, belt))


def pictures(count: int = 60) -> list[Any]:
    """Return a loop of frames with three things in view, each of which crosses the line once in it."""
    rng = np.random.default_rng(1)
    ground = np.repeat(rng.normal(90, 4, (480, 640, 1)), 3, axis=2).clip(0, 255).astype(np.uint8)
    frames = []
    for number in range(count):
        picture = np.roll(ground, number * 20, axis=1)
        for thing in range(3):
            x = (thing * 400 + number * 20) % 1200 - 100
            cv2.ellipse(picture, (x, 240), (60, 40), 30 * thing, 0, 360, (200, 90, 50), -1)
        frames.append(picture)
    return frames


def infer_forever(bundle_path: Path) -> None:
    """Be one of the processes that saturate a core."""
    bundle = open_bundle(bundle_path)
    classifier = BundleClassifier(bundle, threads=1)
    crop = prepare_crop(pictures(1)[0], Box(200, 150, 150, 150), bundle.manifest.geometry)
    while os.getppid() != 1:
        classifier._interpreter.run(crop)


def see(
    classifier: BundleClassifier, stop: threading.Event, counts: dict[str, int], real: bool, live: LiveView | None
) -> None:
    """Be the vision thread: frame after frame through the whole line, and to the page if there is one."""
    frames = pictures()
    line, clock = build_line(classifier), SystemClock()
    due = clock.now()
    with real_time(Priority.VISION) if real else nullcontext():
        while not stop.is_set():
            number = counts["frames"]
            frame = Frame(frames[number % len(frames)], clock.now(), number)
            outcomes = line.step(frame)
            counts["items"] += len(outcomes)
            if live is not None:
                live.publish_frame(frame, line.trigger.sightings())
                for outcome in outcomes:
                    live.publish_outcome(outcome)
            counts["frames"] = number + 1
            due += NS_PER_S // FRAMES_PER_S
            clock.sleep_until(due)


def actuate(schedule: Schedule, clock: SystemClock, strokes: int, real: bool) -> list[Stroke]:
    """Plan strokes 15 to 35 ms apart and carry them out in this thread; return what became of them."""
    rng = np.random.default_rng(2)
    at = clock.now() + ms(500)
    for number in range(strokes):
        schedule.plan(Actuation("valve", at, at + ms(PULSE_MS), (number,)))
        at += ms(float(rng.uniform(15, 35)))
    ended: list[Stroke] = []
    never = threading.Event()
    with real_time(Priority.ACTUATION) if real else nullcontext(True) as granted:
        if not granted:
            raise SystemExit("SCHED_FIFO was refused: run it as root or with CAP_SYS_NICE")
        while len(ended) < strokes:
            schedule.wait(clock, never)
            ended += schedule.run_due(clock.now())
    return ended


def measure(
    bundle: Any, strokes: int, real: bool, live: LiveView | None
) -> tuple[list[tuple[int, int]], dict[str, int]]:
    """Return (planned, fired) of each stroke in nanoseconds, and counts of refused strokes and of the work beside."""
    stop, counts = threading.Event(), {"frames": 0, "items": 0}
    clock = SystemClock()
    actuator = FakeActuator("valve", clock)  # it reads the clock at the very movement: that is what is measured
    schedule = Schedule({"valve": actuator}, {"valve": ms(1000)}, tolerance_ns=ms(1000))
    result: list[Stroke] = []
    if real:
        lock_memory()
    open_model = partial(open_in_process, priority=Priority.VISION if real else 0)
    with closing(BundleClassifier(bundle, threads=1, open_model=open_model)) as classifier:
        vision = threading.Thread(target=see, args=(classifier, stop, counts, real, live), daemon=True)
        vision.start()
        worker = threading.Thread(target=lambda: result.extend(actuate(schedule, clock, strokes, real)))
        worker.start()
        worker.join()
        stop.set()
        vision.join()
    planned = sorted(stroke.actuation.fire_at for stroke in result if stroke.fired_at)
    moved = [movement.at for movement in actuator.movements if movement.position is not None]
    counts["refused"] = sum(stroke.outcome is StrokeOutcome.REFUSED for stroke in result)
    return list(zip(planned, moved, strict=True)), counts


def percentiles(spans: list[tuple[int, int]]) -> dict[str, float]:
    """Return how late the strokes were, in ms."""
    late = np.array([(fired - at) / 1e6 for at, fired in spans])
    p50, p99, p999 = (float(np.percentile(late, q)) for q in (50, 99, 99.9))
    return {"strokes": len(spans), "p50_ms": p50, "p99_ms": p99, "p99.9_ms": p999, "max_ms": float(late.max())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--strokes", type=int, default=2000)
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--bad-clients", type=int)
    parser.add_argument("--infer", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    path = options.bundle or shipped_bundle_path()
    if options.infer:
        infer_forever(path)
        return
    cv2.setNumThreads(1)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    bundle = open_bundle(path)
    others = [subprocess.Popen([sys.executable, __file__, "--infer", "--bundle", str(path)]) for _ in range(2)]
    figures: dict[str, Any] = {}
    try:
        SystemClock().sleep_until(SystemClock().now() + ms(3000))
        with settled_memory(), tempfile.TemporaryDirectory() as folder:
            for name, clients in RUNS if options.bad_clients is None else WITH_PAGE:
                witness = Witness()
                witness.begin(str(Path(folder) / name))
                told = str
                with ExitStack() as beside:
                    page = None if clients is None else beside.enter_context(served())
                    if page is not None and clients:
                        told = beside.enter_context(misbehaving(page.port, options.bad_clients))
                    live = None if page is None else page.live
                    spans, counts = measure(bundle, options.strokes, name != "plain", live)
                witness.end()
                undisturbed = percentiles([span for span in spans if not witness.saw(*span)])
                figures[name] = {
                    **percentiles(spans),
                    **counts,
                    "undisturbed": undisturbed,
                    "witness": str(witness),
                    "clients": told(),
                }
    finally:
        for other in others:
            other.kill()
    if options.json:
        print(json.dumps(figures, indent=2))
        return
    for name, row in figures.items():
        print(f"{name:12s}" + _line(row))
        print(
            f"  undisturbed {_line(row['undisturbed'])}\n  {row['witness']}",
            *filter(None, [row["clients"]]),
            sep="\n  ",
        )
    reached = list(figures.values())[-1]["undisturbed"]["p99.9_ms"]
    print(f"aim: p99.9 <= {AIM_MS} ms with SCHED_FIFO, undisturbed: {'met' if reached <= AIM_MS else 'NOT met'}")


def _line(row: dict[str, Any]) -> str:
    return "  ".join(
        f"{key} {value:.3f}" if isinstance(value, float) else f"{key} {value}"
        for key, value in row.items()
        if key not in ("undisturbed", "witness", "clients")
    )


if __name__ == "__main__":
    main()
