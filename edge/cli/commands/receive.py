"""`sorter receive`: the device's end of `sorter push` and `sorter pull`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge.tools.receive.start import STATION, receive


def command(
    station: Annotated[Path, typer.Option(help="The station file.")] = STATION,
    keys: Annotated[
        Path | None, typer.Option(help="Folder of trusted keys; without it `keys` beside the station file.")
    ] = None,
) -> None:
    """Take one model from a workstation over stdin and stdout; meant as the forced command of an SSH key."""
    raise typer.Exit(receive(station, keys))
