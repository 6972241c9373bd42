"""Machines to begin with: just booted, or as another test left one.

A saved machine goes on within seconds, where booting takes a minute, and whatever ran in it still runs.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from support.pi.debian import built
from support.pi.image import MACHINE, image
from support.pi.machine import CONSOLE, PLAIN, Fitted, Machine, Saved


def never_started() -> Saved:
    """The machine's disk, as it comes from the factory."""
    made = image()
    return Saved(made.folder, made)


def booted() -> Saved:
    """The machine when it has just booted, and nothing runs but SSH."""
    return saved("booted", f"{MACHINE} {CONSOLE}", never_started(), lambda machine: machine.run("udevadm settle; sync"))


def saved(name: str, recipe: str, begin: Saved, prepare: Callable[[Machine], object]) -> Saved:
    """The machine `begin` after `prepare`, made when no other run has: `recipe` is all that decides what it does there."""

    def make(folder: Path) -> None:
        with tempfile.TemporaryDirectory() as scratch, running(begin, Path(scratch)) as machine:
            prepare(machine)
            machine.save(folder)

    return Saved(built(f"machine-{name}", f"{begin.folder.name} {recipe}", make), begin.image)


@contextmanager
def running(begin: Saved, folder: Path, fitted: Fitted = PLAIN) -> Iterator[Machine]:
    """A machine that goes on from `begin`, as long as this lasts."""
    machine = Machine(begin, folder, fitted)
    try:
        machine.start()
        yield machine
    finally:
        machine.close()
