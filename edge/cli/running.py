"""What commands have that ask a running station: which one is meant."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DemoOption = Annotated[bool, typer.Option("--demo", help="The simulated demo station instead.")]
FolderOption = Annotated[
    Path | None, typer.Option("--state-folder", help="Another state folder than the station file's.")
]


def state_folder_of(station: Path, demo: bool, state_folder: Path | None) -> Path:
    """Return the folder in which the station that is meant runs.

    Raises:
        ConfigError: the station file can't be used.
    """
    from edge.cli.commands.run import DEMO_STATION
    from edge.config import load_station

    return state_folder or load_station(DEMO_STATION if demo else station).state_folder
