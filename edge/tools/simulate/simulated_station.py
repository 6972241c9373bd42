"""A station file turned into a simulated one, with the load that was asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from edge.config import Station, explain_problems
from edge.config.base import expand_home
from edge.config.cameras import SimulatedCamera
from edge.errors import ConfigError


class Changes(BaseModel):
    """What the command line changes in a station; None leaves it as it is."""

    seed: int | None = None
    photos: Path | None = None
    items_per_min: float | None = None
    min_gap_mm: float | None = None
    texture: str | None = None
    speed_mm_per_s: float | None = None
    frames_per_s: float | None = None
    frame_age_ms: float | None = None
    smallest_mm: float | None = None
    largest_mm: float | None = None


def simulated_variant(station: Station, changes: Changes) -> Station:
    """Return the station with a simulated camera of the same size and rate, and the changes.

    Raises:
        ConfigError: a change is out of range, or a bin station was given a belt's speed.
    """
    camera = station.camera
    if changes.speed_mm_per_s is not None and station.belt is None:
        raise ConfigError(f"station {station.name!r} is a bin and has no belt: leave --speed out")
    table: dict[str, Any] = station.model_dump()
    table["camera"] = SimulatedCamera(
        type="simulated",
        width=camera.width,
        height=camera.height,
        frames_per_s=changes.frames_per_s or camera.frames_per_s,
    ).model_dump()
    given = changes.model_dump(exclude_none=True, exclude={"speed_mm_per_s", "frames_per_s"})
    if "photos" in given:
        given["photos"] = expand_home(given["photos"]).absolute()
    table["simulation"] |= given
    longest = station.sensing.largest_item_mm
    if longest is not None and changes.largest_mm is not None:
        # A photo's longer side says little of a thing that lies across it: in proportion to what the station expects.
        table["sensing"]["largest_item_mm"] = longest * changes.largest_mm / station.simulation.largest_mm
    if changes.speed_mm_per_s is not None:
        table["belt"]["speed_mm_per_s"] = changes.speed_mm_per_s
    try:
        return Station.model_validate(table)
    except ValidationError as error:
        raise ConfigError("\n  ".join(["can't simulate that:", *explain_problems(error, Station, table)])) from None
