"""`sorter pause`: a person stops a running station."""

from __future__ import annotations

from pathlib import Path

from edge.cli.options import DEFAULT_STATION, StationOption
from edge.cli.running import DemoOption, FolderOption, state_folder_of


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

    from edge.station.stops.control import ask
    from edge.system.output import say

    say(ask(state_folder_of(station, demo, state_folder), action, os.environ.get("SUDO_USER", "")))
