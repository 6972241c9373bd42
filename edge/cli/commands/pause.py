"""`sorter pause`: a person stops a running station."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge.cli.options import DEFAULT_STATION, StationOption

DemoOption = Annotated[bool, typer.Option("--demo", help="The simulated demo station instead.")]
FolderOption = Annotated[
    Path | None, typer.Option("--state-folder", help="Another state folder than the station file's.")
]


def command(
    station: StationOption = DEFAULT_STATION, demo: DemoOption = False, state_folder: FolderOption = None
) -> None:
    """Stop a running station: strokes are held and the belt stands still until `sorter resume`, also over restarts.

    It is no emergency stop: it works through the program, and within a tenth of a second.
    """
    press("pause", station, demo, state_folder)


def press(action: str, station: Path, demo: bool, state_folder: Path | None) -> None:
    """Ask the station and print its answer."""
    import os

    from edge.cli.commands.run import DEMO_STATION
    from edge.config import load_station
    from edge.station.stops.control import ask
    from edge.system.output import say

    folder = state_folder or load_station(DEMO_STATION if demo else station).state_folder
    say(ask(folder, action, os.environ.get("SUDO_USER", "")))
