"""`sorter token`: what a person signs in with on the page."""

from __future__ import annotations

from typing import Annotated

import typer

from edge.cli.options import DEFAULT_STATION, StationOption
from edge.cli.running import DemoOption, FolderOption, state_folder_of


def command(
    station: StationOption = DEFAULT_STATION,
    demo: DemoOption = False,
    state_folder: FolderOption = None,
    new: Annotated[bool, typer.Option("--new", help="Replace it: who signed in before has to sign in again.")] = False,
) -> None:
    """Show the token with which a person signs in on the page, or that a script sends; whoever has it may stop the station."""
    from edge.system.output import say
    from edge.system.privileges import leave_root
    from edge.web.station.token import make_token, read_token

    folder = state_folder_of(station, demo, state_folder).absolute()
    leave_root(folder)
    say(make_token(folder) if new else read_token(folder))
