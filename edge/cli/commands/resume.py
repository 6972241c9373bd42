"""`sorter resume`: a person lets a station go on."""

from __future__ import annotations

from edge.cli.commands.pause import press
from edge.cli.options import DEFAULT_STATION, StationOption
from edge.cli.running import DemoOption, FolderOption


def command(
    station: StationOption = DEFAULT_STATION, demo: DemoOption = False, state_folder: FolderOption = None
) -> None:
    """Let a station go on that `sorter pause` or its page stopped; things move at once. Ends no emergency stop."""
    press("resume", station, demo, state_folder)
