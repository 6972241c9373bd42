"""What the line costs next to bare inference, measured side by side in one run.

    python benchmarks/loop.py [--bundle B] [--repeats N] [--json]

Frames are 640 x 480, and the same belt at 1280 x 960 beside them (`..._large`): the demo station's simulated belt for
whole items, drawn shapes on a moving belt for 0, 1, 5 and 20 things in view. Times are CPU time of the thread that follows items and of the model's own process together, so that
whatever else the machine does is left out; medians. Bare inference is the same model in the benchmark's own process;
`item_frame_wall_over_invoke` is the same ratio in wall time. Cold start and memory are those of a fresh station: wall
time from its start to its first decision (least of three), and the peak resident memory of both its processes, pages
that they share counted twice, with the simulated frames read from a file.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge.inference.classifier import BundleClassifier, shipped_bundle_path
from edge.inference.process import open_in_process

WIDTH, HEIGHT, MM_PER_PIXEL = 640, 480, 0.8
# How many times the pixels each way, and what the figures are called.
SIZES = {1: "", 2: "_large"}
AIMS = {
    "item_frame_over_invoke": 1.10,
    "item_frame_large_over_small": 1.1,
    "empty_frame_large_over_small": 1.3,
    "empty_frame_ms": 0.5,
    "follow_5_ms": 1.0,
    "cold_start_s": 1.5,
    "peak_memory_mb": 150.0,
}


def station(times: int = 1, **belt: Any) -> Any:
    """Return the demo's belt: 250 mm/s, 0.8 mm a pixel, one look at each item; so many times the pixels each way."""
    from edge.config import Station

    table = {
        "name": "bench",
        "kind": "conveyor",
        "camera": {"type": "folder", "path": ".", "width": WIDTH * times, "height": HEIGHT * times},
        "belt": {"speed_mm_per_s": 250, "mm_per_pixel": MM_PER_PIXEL / times} | belt,
        "inference": {"max_crops": 1},
        "bins": [{"name": "residual"}],
    }
    return Station.model_validate(table)


def drawn_frames(things: int, count: int, times: int = 1) -> Iterator[Any]:
    """Give frames of a textured belt that moves 10 pixels a frame with about so many things in view at any time.

    With `times` the same picture is drawn with so many times the pixels each way; the noise is each pixel's own.
    """
    from edge.clock import NS_PER_S
    from edge.types import Frame

    rng = np.random.default_rng(things)
    rows = max(1, min(4, things))
    pitch = WIDTH * rows // max(1, things)
    strip = np.repeat(rng.normal(90, 4, (HEIGHT, WIDTH, 1)), 3, axis=2).clip(0, 255).astype(np.uint8)
    size = min(60, pitch // 3, HEIGHT // rows // 3)
    for number in range(count):
        way = number * 10
        picture = np.roll(strip, way, axis=1)
        for row in range(rows if things else 0):
            y = (2 * row + 1) * HEIGHT // (2 * rows)
            for slot in range(-1, WIDTH // pitch + 2):
                x = slot * pitch + way % pitch + row * pitch // (2 * rows)
                cv2.ellipse(picture, (x, y), (size, size * 2 // 3), 20 * row, 0, 360, (200, 60 + 40 * row, 50), -1)
        picture = np.asarray(cv2.resize(picture, None, fx=times, fy=times, interpolation=cv2.INTER_LINEAR_EXACT))
        noisy = cv2.add(picture, rng.integers(0, 5, picture.shape, dtype=np.uint8))
        yield Frame(noisy, NS_PER_S + number * NS_PER_S // 31, number)


def simulated_frames(seconds: float, times: int = 1) -> Iterator[Any]:
    """Give frames of the demo station's belt with real photos on it."""
    from edge.cli.commands.simulate import DEMO_STATION
    from edge.clock import NS_PER_S, VirtualClock
    from edge.config import Station, load_station
    from edge.simulate.backend.camera import SimulatedCamera
    from edge.simulate.world.world import World

    clock = VirtualClock()
    table = load_station(DEMO_STATION).model_dump()
    table["camera"] |= {"width": WIDTH * times, "height": HEIGHT * times}
    table["belt"]["mm_per_pixel"] = MM_PER_PIXEL / times
    camera = SimulatedCamera(World(Station.model_validate(table), clock), clock)
    end = clock.now() + round(seconds * NS_PER_S)
    while clock.now() < end:
        yield camera.read()


def build_line(classifier: Any, times: int = 1) -> Any:
    """Return the whole path behind a camera, on a clock that stands still."""
    from edge.clock import SystemClock
    from edge.line import Line
    from edge.policy import Policy
    from edge.sensing import build_trigger
    from edge.transport import build_belt, build_transport

    chosen = station(times)
    belt = build_belt(chosen)
    policy = Policy(chosen.bins, dict.fromkeys(classifier.labels, 0.5), 0.0)
    return Line(SystemClock(), build_trigger(chosen, belt), classifier, policy, build_transport(chosen, belt))


def cpu_ms(work: Callable[[], object]) -> float:
    """Return the CPU time of one call in this thread."""
    return spent_ms(work)[0]


def spent_ms(work: Callable[[], object], process: int | None = None) -> tuple[float, float]:
    """Return the CPU time of one call in this thread and in another process, and its wall time."""

    def cpu() -> int:
        # The id of another process's CPU clock: clock_getcpuclockid(3), which Python does not have.
        other = 0 if process is None else time.clock_gettime_ns((~process << 3) | 2)
        return time.thread_time_ns() + other

    begin, began_at = cpu(), time.perf_counter_ns()
    work()
    ended_at = time.perf_counter_ns()
    return (cpu() - begin) / 1e6, (ended_at - began_at) / 1e6


def measure_loop(bundle: Any, repeats: int) -> dict[str, float]:
    """Return medians of bare invoke, item frames and empty frames, taken in turn, for pictures of both sizes."""
    from edge.bundle.preprocess import prepare_crop
    from edge.inference.interpreter import open_interpreter
    from edge.types import Box

    classifier = BundleClassifier(bundle, threads=1, open_model=open_in_process)
    process = process_of(classifier)
    crop = prepare_crop(next(simulated_frames(1.0)).pixels, Box(200, 150, 150, 150), bundle.manifest.geometry)
    interpreter = open_interpreter(bundle, threads=1)
    invoke: dict[int, list[Any]] = {times: [] for times in SIZES}  # of (CPU, wall), as the next two
    item_frames: dict[int, list[Any]] = {times: [] for times in SIZES}
    other_frames: dict[int, list[Any]] = {times: [] for times in SIZES}
    for _ in range(repeats):
        lines = {times: build_line(classifier, times) for times in SIZES}
        for frames in zip(*(simulated_frames(20.0, times) for times in SIZES), strict=True):
            for times, line, frame in in_turn(lines, frames):
                outcomes: list[Any] = []
                spent = spent_ms(lambda f=frame, out=outcomes, line=line: out.extend(line.step(f)), process)
                if len(outcomes) == 1 and outcomes[0].prediction is not None:
                    item_frames[times].append(spent)
                    invoke[times].append(spent_ms(lambda: interpreter.run(crop)))
                elif not outcomes:
                    other_frames[times].append(spent)
    classifier.close()
    figures = {"invoke_ms": statistics.median(cpu for cpu, _ in invoke[1])}
    for times, size in SIZES.items():
        pairs = list(zip(item_frames[times], invoke[times], strict=True))
        figures |= {
            f"item_frame{size}_ms": statistics.median(cpu for cpu, _ in item_frames[times]),
            f"item_frame{size}_over_invoke": statistics.median(a[0] / b[0] for a, b in pairs),
            f"item_frame{size}_wall_over_invoke": statistics.median(a[1] / b[1] for a, b in pairs),
            f"between_items{size}_ms": statistics.median(cpu for cpu, _ in other_frames[times]),
        }
    figures["item_frame_large_over_small"] = figures["item_frame_large_ms"] / figures["item_frame_ms"]
    return figures


def in_turn(by_size: dict[int, Any], frames: tuple[Any, ...]) -> list[tuple[int, Any, Any]]:
    """Return each size with what it belongs to and its frame; who is first finds cold caches, so that changes too."""
    pairs = [(times, what, frame) for (times, what), frame in zip(by_size.items(), frames, strict=True)]
    return pairs if frames[0].sequence % 2 else pairs[::-1]


def process_of(classifier: Any) -> int:
    """Return the number of the process that runs the model."""
    return int(classifier._interpreter._process.pid)


def measure_following(repeats: int) -> dict[str, float]:
    """Return medians of finding and following alone, by the number of things in view, for pictures of both sizes."""
    figures: dict[str, float] = {}
    for things in (0, 1, 5, 20):
        name = "empty_frame" if things == 0 else f"follow_{things}"
        taken = [following_ms(things) for _ in range(repeats)]
        for times, size in SIZES.items():
            figures[f"{name}{size}_ms"] = statistics.median(ms for run in taken for ms in run[times])
    figures["empty_frame_large_over_small"] = figures["empty_frame_large_ms"] / figures["empty_frame_ms"]
    return figures


def following_ms(things: int) -> dict[int, list[float]]:
    """Return what each frame with so many things took to be searched, in pictures of both sizes in turn."""
    from edge.sensing import build_trigger
    from edge.transport import build_belt

    spent: dict[int, list[float]] = {times: [] for times in SIZES}
    stations = {times: station(times, lanes=max(1, min(4, things))) for times in SIZES}
    triggers = {times: build_trigger(chosen, build_belt(chosen)) for times, chosen in stations.items()}
    for frames in zip(*(drawn_frames(things, 120, times) for times in SIZES), strict=True):
        for times, trigger, frame in in_turn(triggers, frames):
            spent[times].append(cpu_ms(lambda f=frame, t=trigger: t.observe(f)))
    return {times: took[40:] for times, took in spent.items()}  # the first while the belt is still being learnt


def measure_cold(bundle: Path) -> dict[str, float]:
    """Start fresh processes that stop at their first decision; return least times and the peak memory."""
    with tempfile.TemporaryDirectory() as folder:
        path, report = Path(folder) / "frames.raw", Path(folder) / "report"
        with path.open("wb") as file:
            for frame in islice(simulated_frames(8.0), 0, None, 2):
                file.write(frame.pixels.tobytes())
        walls, cpus, peaks = [], [], []
        arguments = [sys.executable, __file__, "--cold", str(path), str(report), "--bundle", str(bundle)]
        for _ in range(3):
            begin = time.monotonic()
            child = os.posix_spawn(sys.executable, arguments, dict(os.environ))
            _, status, usage = os.wait4(child, 0)
            walls.append(time.monotonic() - begin)
            if status:
                raise SystemExit(f"the cold process failed with status {status}")
            cpus.append(usage.ru_utime + usage.ru_stime)
            peaks.append(tuple(map(float, report.read_text().split())))
    peak = max(peaks, key=sum)
    return {
        "cold_start_s": min(walls),
        "cold_start_cpu_s": min(cpus),
        "peak_memory_mb": sum(peak),
        "of_it_the_models_mb": peak[1],
    }


def run_cold(frames: Path, report: Path, bundle: Path) -> None:
    """Be the fresh process: everything that a station loads for its line, up to the first decision."""
    from edge.bundle.archive import open_bundle
    from edge.clock import NS_PER_S
    from edge.types import Frame

    classifier = BundleClassifier(open_bundle(bundle), threads=1, open_model=open_in_process)
    line = build_line(classifier)
    number = 0
    with frames.open("rb") as file:
        while raw := file.read(HEIGHT * WIDTH * 3):
            pixels = np.frombuffer(raw, np.uint8).reshape(HEIGHT, WIDTH, 3)
            if line.step(Frame(pixels, NS_PER_S + number * NS_PER_S // 15, number)):
                break
            number += 1
        else:
            raise SystemExit("no item was decided in the frames given")
    report.write_text(f"{peak_mb('self')} {peak_mb(str(process_of(classifier)))}")
    classifier.close()


def peak_mb(process: str) -> float:
    """Return a program's peak resident memory; what wait4 reports includes that of the process that started it."""
    status = Path(f"/proc/{process}/status").read_text().splitlines()
    return int(next(line for line in status if line.startswith("VmHWM")).split()[1]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--cold", type=Path, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    bundle_path = options.bundle or shipped_bundle_path()
    if options.cold is not None:
        run_cold(*options.cold, bundle_path)
        return
    from edge.bundle.archive import open_bundle

    cv2.setNumThreads(1)
    figures = measure_following(options.repeats)
    figures |= measure_loop(open_bundle(bundle_path), options.repeats)
    figures["empty_frame_over_invoke"] = figures["empty_frame_ms"] / figures["invoke_ms"]
    figures["follow_5_over_invoke"] = figures["follow_5_ms"] / figures["invoke_ms"]
    figures |= measure_cold(bundle_path)
    if options.json:
        print(json.dumps({name: round(value, 4) for name, value in figures.items()}, indent=2))
        return
    for name, value in figures.items():
        aim = AIMS.get(name)
        remark = "" if aim is None else f"   aim <= {aim:g}: {'met' if value <= aim else 'NOT met'}"
        print(f"{name:30s}{value:10.3f}{remark}")


if __name__ == "__main__":
    main()
