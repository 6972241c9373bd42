"""Which journal a command means, and which span of time."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from edge.config import load_station
from edge.errors import ConfigError
from edge.system.privileges import leave_root

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}

FolderOption = Annotated[
    Path | None, typer.Option("--state-folder", help="Another state folder than the station file's.")
]
FileOption = Annotated[
    Path | None, typer.Option("--file", help="This journal file, such as a copy or one that was set aside.")
]
SinceOption = Annotated[
    str | None, typer.Option(help="From this date and time on (2026-05-01, 2026-05-01T14:30), or 30m, 2h, 3d back.")
]
UntilOption = Annotated[str | None, typer.Option(help="Before this date and time, or that long back.")]


def find_journal(station: Path, state_folder: Path | None, file: Path | None) -> Path:
    """Return the path of the journal that the options mean.

    Raises:
        ConfigError: the station file can't be used.
    """
    if file is not None:
        leave_root(file.absolute().parent)
        return file
    if state_folder is None and not station.exists():
        raise ConfigError(
            f"{station}: no such file; name the station with --station, or its folder with --state-folder"
        )
    folder = state_folder.absolute() if state_folder is not None else load_station(station).state_folder
    leave_root(folder)
    return folder / "journal.db"


def parse_instant(text: str, now: float) -> float:
    """Return seconds since the epoch for a date and time (local unless it says otherwise) or a span back from `now`.

    Raises:
        ConfigError: it is neither.
    """
    if span := re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhdw])", text.strip()):
        return now - float(span[1]) * SECONDS[span[2]]
    try:
        return datetime.fromisoformat(text.strip()).astimezone().timestamp()
    except (ValueError, OverflowError, OSError):
        raise ConfigError(
            f"{text!r}: expected a date and time such as 2026-05-01 or 2026-05-01T14:30, or a span such as 30m, 2h, 3d"
        ) from None
