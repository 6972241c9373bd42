"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_STATION = Path("/etc/sorter/station.toml")
StationOption = Annotated[Path, typer.Option("--station", help="The station file.")]
