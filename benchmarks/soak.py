"""The controller in real time for minutes, with the page open: does anything grow, does anything get slower?

    python benchmarks/soak.py [--minutes 20] [--items-per-s 8] [--strict]

The demo's simulated belt, the shipped model, real threads, two visitors: one reads the page's picture and
figures all the time, one listens to its events. Prints what was taken in every twentieth of the run; the
exit code is 1 when memory, descriptors, threads or the disk grew beyond the bounds after the first quarter.
With --strict also when p99 of the loop in the last part is more than a fifth longer than in the first
whole one, which means something only on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from edge.config import Station, load_station
from edge.line import Outcome
from edge.station.assembled import AssembledStation
from edge.station.build import build_station
from edge.station.runtime import Runtime
from edge.types import Frame

STATION = Path(__file__).resolve().parents[1] / "edge" / "stations" / "demo.toml"
PARTS = 20
# Python's and the allocator's own ups and downs; a leak of one crop an item would be 100 times that in 20 minutes.
MEMORY_MB, DESCRIPTORS, THREADS = 12.0, 3, 1
# Queues, windows and the journal's page cache fill in the first minutes.
WARMING_MB, WARM_S = 30.0, 300.0
JOURNAL_MB, CROPS_MB = 5.0, 5.0
SLOWER = 1.2


@dataclass(frozen=True)
class Sample:
    """What the process takes at one instant; `p99_ms` is of the loop since the sample before."""

    seconds: float
    memory_mb: float
    descriptors: int
    threads: int
    disk_mb: float
    items: int
    p99_ms: float


def demo(folder: Path, items_per_s: float) -> Station:
    """The demo with a small journal, a free port and as many items as asked for."""
    station = load_station(STATION)
    assert station.belt is not None
    return station.model_copy(
        update={
            "state_folder": folder,
            "page": station.page.model_copy(update={"port": 0}),
            "journal": station.journal.model_copy(
                update={"max_mb": JOURNAL_MB, "crops_max_mb": CROPS_MB, "keep_crops": "all"}
            ),
            # An item of the demo and its gap take up to 85 mm.
            "belt": station.belt.model_copy(update={"speed_mm_per_s": max(250.0, 88.0 * items_per_s)}),
            "simulation": station.simulation.model_copy(update={"items_per_min": 60 * items_per_s, "min_gap_mm": 15.0}),
        }
    )


class Stopwatch:
    """Times every frame that goes through."""

    def __init__(self, station: AssembledStation) -> None:
        self.durations: list[float] = []
        self.items = 0
        self._process = station.intake.process
        station.intake.process = self.process  # type: ignore[method-assign]

    def process(self, frame: Frame) -> Sequence[Outcome]:
        begun = time.perf_counter()
        outcomes = self._process(frame)
        self.durations.append(1000 * (time.perf_counter() - begun))
        self.items += len(outcomes)
        return outcomes

    def lap(self) -> float:
        """Return p99 since the last call, ms."""
        durations, self.durations = sorted(self.durations), []
        return durations[len(durations) * 99 // 100] if durations else 0.0


def visit(url: str, stop: threading.Event) -> None:
    """Read picture, figures and metrics, twenty times a second at most."""
    while not stop.wait(0.05):
        for path in ("", "belt.jpg", "api/status", "metrics"):
            with suppress(OSError), urllib.request.urlopen(url + path, timeout=30) as answer:  # at the end it is gone
                answer.read()


def listen(url: str, stop: threading.Event) -> None:
    """Hear the page's events as a browser does."""
    with suppress(OSError), urllib.request.urlopen(url + "events", timeout=60) as answer:
        while not stop.is_set() and answer.readline():
            pass


def resident_mb() -> float:
    """Return the memory of this process and of the model's own."""
    children = [pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()]
    pages = 0
    for process in ("self", *children):
        with suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
            pages += int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def look(folder: Path, begun: float, watch: Stopwatch) -> Sample:
    return Sample(
        seconds=time.monotonic() - begun,
        memory_mb=resident_mb(),
        descriptors=sum(1 for _ in Path("/proc/self/fd").iterdir()),
        threads=threading.active_count(),
        disk_mb=sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6,
        items=watch.items,
        p99_ms=watch.lap(),
    )


def soak(seconds: float, items_per_s: float) -> list[Sample]:
    """Run; return the samples."""
    samples: list[Sample] = []
    stop = threading.Event()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        station = build_station(demo(folder, items_per_s))
        watch, begun = Stopwatch(station), time.monotonic()
        assert station.page.server is not None
        url = station.page.server.url
        visitors = [threading.Thread(target=work, args=(url, stop), daemon=True) for work in (visit, listen)]

        def sample(_now: int) -> None:
            if time.monotonic() - begun >= (len(samples) + 1) * seconds / PARTS:
                samples.append(look(folder, begun, watch))
                print(*(f"{key} {value:.4g}" for key, value in vars_of(samples[-1])), sep=", ", flush=True)

        for visitor in visitors:
            visitor.start()
        try:
            Runtime(station).run(seconds + 1.0, sample)
        finally:
            stop.set()
    return samples


def vars_of(sample: Sample) -> list[tuple[str, float]]:
    return [(key, float(getattr(sample, key))) for key in Sample.__dataclass_fields__]


def verdicts(samples: list[Sample], strict: bool) -> list[str]:
    """Return what grew beyond its bound after the first quarter."""
    quarter, last = samples[len(samples) // 4], samples[-1]
    found = []
    memory = WARMING_MB if quarter.seconds < WARM_S / 4 else MEMORY_MB
    for what, bound in (("memory_mb", memory), ("descriptors", DESCRIPTORS), ("threads", THREADS)):
        grown = getattr(last, what) - getattr(quarter, what)
        if grown > bound:
            found.append(f"{what} grew by {grown:g}; the bound is {bound:g}")
    if last.disk_mb > JOURNAL_MB + CROPS_MB + 2:
        found.append(f"the state folder takes {last.disk_mb:.1f} MB")
    if last.items == 0:
        found.append("no item was sorted")
    if strict and last.p99_ms > SLOWER * samples[1].p99_ms:
        found.append(f"p99 of the loop went from {samples[1].p99_ms:.1f} to {last.p99_ms:.1f} ms")
    return found


def main() -> None:
    """Print samples and verdict."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--items-per-s", type=float, default=8.0)
    parser.add_argument("--strict", action="store_true")
    options = parser.parse_args()
    found = verdicts(soak(60 * options.minutes, options.items_per_s), options.strict)
    print("\n".join(found) or "nothing grew beyond its bound")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
