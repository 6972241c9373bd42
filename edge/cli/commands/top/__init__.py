"""`sorter top`: how a running station is, live in the terminal."""

from __future__ import annotations

from typing import Annotated

import typer

from edge.cli.options import DEFAULT_STATION, StationOption
from edge.cli.running import DemoOption, FolderOption, state_folder_of

EveryOption = Annotated[float, typer.Option("--every", min=0.2, max=60, help="Seconds from one look to the next.")]


def command(
    station: StationOption = DEFAULT_STATION,
    demo: DemoOption = False,
    state_folder: FolderOption = None,
    every: EveryOption = 1.0,
) -> None:
    """Show a running station live: state, faults, bins, why items were not sorted, the last items. Ctrl-C ends it.

    It only looks, and waits for a station that is started anew.
    """
    from edge.clock import SystemClock
    from edge.tools.status.live import watch

    watch(state_folder_of(station, demo, state_folder), every, SystemClock())
