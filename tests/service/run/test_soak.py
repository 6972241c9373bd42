"""The short forms of the soak: real time with the page open, and hours of virtual time."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from support.paths import ROOT
from support.stations import BELT, make_station

from edge.tools.simulate.build import Conditions, build_virtual_run

# A crop of an item is 30 KB: keeping one of each would be 10 MB.
GROWTH_MB = 6.0


def memory_mb() -> float:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.mark.realtime
def test_a_quarter_of_a_minute_in_real_time_with_the_page_open() -> None:
    command = [sys.executable, "benchmarks/soak.py", "--minutes", "0.25"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("nothing grew beyond its bound\n")


# Beside other tests it is measured in a process of gigabytes, whose allocator gives back or keeps more than what is bounded here.
@pytest.mark.realtime
def test_virtual_hours_take_no_more_than_virtual_minutes(tmp_path: Path) -> None:
    station = make_station(
        BELT, camera={"frames_per_s": 8}, bins={"glass": {"labels": ["glass", "paper"]}}, journal={"max_mb": 1}
    )
    run = build_virtual_run(station, Conditions(journal_folder=tmp_path))
    seen: list[tuple[float, int, int]] = []
    every, due = 60.0, [60.0]

    def look(now: int) -> None:
        if (now - run.world.started_at) / 1e9 >= due[0]:
            due[0] += every
            seen.append((memory_mb(), descriptors(), threading.active_count()))

    run.run(5.5 * every, on_tick=look)
    (first_mb, *first), (last_mb, *last) = seen[1], seen[-1]
    assert len(seen) == 5
    assert last == first
    assert last_mb - first_mb < GROWTH_MB
