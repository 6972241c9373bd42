"""A station that is shown things, and to which heads that it was taught are then given: what a power cut may take of that.

As a program, for a tracer: `python tests/support/taught_run.py FOLDER` says on its standard output what is stored.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.bundle.archive import open_bundle
from edge.config import load_station
from edge.models.select import open_store
from edge.teaching.installing import base_for, install
from edge.teaching.shown import ShownItems

ITEMS, HEADS = 6, 2


@dataclass(frozen=True)
class Confirmed:
    """So many items were shown, and so many heads installed."""

    shown: int = 0
    installed: int = 0


def work(folder: Path) -> None:
    """Do all of it; each line on the standard output is a promise."""
    station = load_station(folder / "station.toml")
    for number in range(1, ITEMS + 1):
        looks = [np.full((32, 32, 3), 10 * number, np.uint8), np.zeros((32, 32, 3), np.uint8)]
        ShownItems(station.state_folder).keep(f"label-{number % 3}", "20261128T022459Z", looks)
        os.write(1, f"shown {number}\n".encode())
    for number in range(1, HEADS + 1):
        install(station, base_for(station, None), (folder / f"head-{number}.sorter").read_bytes())
        os.write(1, f"installed {number}\n".encode())


def what_is_wrong(state: Path, confirmed: Confirmed) -> list[str]:
    """Hold what a cut has left against what was confirmed."""
    wrong = []
    shown = sum(label.items for label in ShownItems(state).labels().values())
    if shown < confirmed.shown:
        wrong.append(f"{confirmed.shown} items were shown, {shown} are there")
    station = load_station(state.parent / "station.toml").with_values(state_folder=state)
    store = open_store(station)
    active = store.active()
    at_work = "" if active is None else store.open(active.current).manifest.version
    if confirmed.installed and int(at_work.rpartition(".")[2]) < confirmed.installed:
        wrong.append(f"head {confirmed.installed} was put to work, {at_work} is at work")
    offered = sorted((state / "taught").glob("*.sorter")) if (state / "taught").exists() else []
    if len(offered) < confirmed.installed:
        wrong.append(f"{confirmed.installed} heads were installed, {len(offered)} are offered to `sorter pull`")
    for path in offered:
        open_bundle(path)
    return wrong


if __name__ == "__main__":
    work(Path(sys.argv[1]))
