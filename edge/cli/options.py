"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge.store.start import STATION as DEFAULT_STATION

__all__ = ["DEFAULT_STATION", "StationOption"]

StationOption = Annotated[Path, typer.Option("--station", help="The station file.")]
