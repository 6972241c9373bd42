"""`sorter safe`: every actuator to its safe position, whatever state the rest is in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge.cli.options import DEFAULT_STATION


def command(
    station: Annotated[
        Path, typer.Option(readable=False, help="The station file; a broken one is read as far as it goes.")
    ] = (DEFAULT_STATION),
) -> None:
    """Drive every actuator to its safe position and stop the belt; the controller must not be running."""
    from edge.tools.safe.make_safe import make_safe

    make_safe(station)
