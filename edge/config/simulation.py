"""Settings of the simulated station."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from edge.config.base import Ms, Settings


class Simulation(Settings):
    """The simulated station behind camera type `simulated`."""

    seed: int = Field(default=1, ge=0, description="same seed, same run")
    photos: Path | None = Field(
        default=None,
        description="folder with one folder of photos per label, or a list of photos (.txt); unset: the shipped ones",
        examples=["photos"],
    )
    shown_photos: Path | None = Field(
        default=None,
        description="photos of further labels, in the same form: none of these things come before somebody shows some",
        examples=["shown"],
    )
    items_per_min: float = Field(default=60.0, gt=0, le=6000, description="mean rate, items per minute")
    min_gap_mm: float = Field(default=40.0, ge=0, le=1000, description="least gap between items, mm")
    smallest_mm: float = Field(default=55.0, ge=5, le=1000, description="longer side of the smallest items, mm")
    largest_mm: float = Field(default=95.0, ge=5, le=1000, description="longer side of the largest items, mm")
    exposure_ms: float = Field(default=1.5, ge=0, le=100, description="how long the shutter is open, ms")
    noise: float = Field(default=2.0, ge=0, le=50, description="standard deviation of the sensor's noise, grey levels")
    frame_age_ms: Ms = Field(default=15.0, le=500, description="how old a frame is when the program sees it, ms")
    texture: str = Field(
        default="rubber", description="belt surface: rubber, blue, seams, dirty, wood, or a picture's path"
    )
