"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge.tools.receive.start import STATION as DEFAULT_STATION

__all__ = ["DEFAULT_STATION", "FaultOption", "StationOption"]

# Not looked at by typer: what is said of a file that can't be read names the way out.
StationOption = Annotated[Path, typer.Option("--station", readable=False, help="The station file.")]
FaultOption = Annotated[
    list[str] | None,
    typer.Option(
        "--fault",
        help="At a simulated station: KIND[:TARGET]@SECONDS[+DURATION], as in jam@30+5; may be repeated.",
    ),
]
