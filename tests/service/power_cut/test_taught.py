"""What a station was taught, over power cuts: the things that were shown to it, and the heads that came of them."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from support.drawn_place import write_running_place
from support.power_cut import THOROUGH, TIME_LIMIT, TreeMedium, by_chance, everything, nothing_more
from support.taught import taught_bundle
from support.taught_run import HEADS, ITEMS, Confirmed, what_is_wrong
from support.traced import trace

from edge.bundle.archive import bundle_bytes
from edge.bundle.own_key import own_signing_key
from edge.config import load_station
from edge.teaching.installing import base_for

pytestmark = [pytest.mark.slow, *TIME_LIMIT]

POINTS = None if THOROUGH else 14


def prepare(folder: Path, tiny_bundle: Callable[..., bytes]) -> None:
    """Write a station with its base at work, and the heads."""
    station = load_station(write_running_place(folder, tiny_bundle))
    base, key = base_for(station, None), own_signing_key(station.state_folder, station.name)
    for number in range(1, HEADS + 1):
        head = taught_bundle(base, key=key, station=station.name, number=number)
        (folder / f"head-{number}.sorter").write_bytes(bundle_bytes(head))


def test_what_was_shown_and_what_was_learnt_is_there_after_a_cut_at_any_point(
    tmp_path: Path, memory_folder: Path, tiny_bundle: Callable[..., bytes]
) -> None:
    prepare(tmp_path, tiny_bundle)
    before = memory_folder / "before"
    shutil.copytree(tmp_path, before, symlinks=True)
    program = [sys.executable, str(Path(__file__).parents[2] / "support" / "taught_run.py"), str(tmp_path)]
    recorded = trace(program, tmp_path / "state", tmp_path / "strace.log")
    medium, confirmed, problems = TreeMedium(before / "state"), Confirmed(), []
    said = sorted(recorded.said, reverse=True, key=lambda entry: entry[0])
    apart = 1 if POINTS is None else len(recorded.operations) // POINTS
    for done, operation in enumerate([*recorded.operations, None]):
        promised = False
        while said and said[-1][0] <= done:
            fact, _, number = said.pop()[1].partition(" ")
            confirmed, promised = replace(confirmed, **{fact: int(number)}), True
        if promised or done % apart == 0:
            for n, survives in enumerate((nothing_more(), everything(), by_chance(done))):
                left = memory_folder / "left"
                shutil.copytree(before, left, ignore=shutil.ignore_patterns("state"))
                medium.write_into(left / "state", survives)
                wrong = what_is_wrong(left / "state", confirmed)
                problems += [f"cut after {done} operations, survival {n}: {problem}" for problem in wrong]
                shutil.rmtree(left)
        if operation is not None:
            medium.take(operation)
    assert problems == []
    assert confirmed == Confirmed(ITEMS, HEADS)
