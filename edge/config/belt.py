"""Settings of a conveyor's belt."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from edge.config.base import MmPerPixel, Pin, Settings, Speed, TicksPerMm

Direction = Literal["right", "left", "down", "up"]


class Encoder(Settings):
    """A quadrature encoder on the belt."""

    pin_a: Pin = Field(description="GPIO (BCM) number of channel A")
    pin_b: Pin = Field(description="GPIO (BCM) number of channel B")
    ticks_per_mm: TicksPerMm = Field(description="edges counted per millimetre of belt")


class Belt(Settings):
    """A conveyor under the camera."""

    speed_mm_per_s: Speed = Field(description="belt speed, mm/s")
    mm_per_pixel: MmPerPixel = Field(description="scale at the belt's surface, mm per pixel")
    direction: Direction = Field(default="right", description="where items go in the picture")
    decision_line: float = Field(
        default=0.6, ge=0.1, le=0.95, description="where an item is decided, fraction of the view along the belt"
    )
    lanes: int = Field(
        default=1,
        ge=1,
        le=8,
        description="lanes across the belt: the journal says which one an item was in, the simulator feeds each",
    )
    merge_gap_mm: float = Field(default=8.0, ge=0, le=200, description="parts closer than this are one item, mm")
    encoder: Encoder | None = Field(default=None, description="encoder on the belt, if fitted")
    run_pin: Pin | None = Field(default=None, description="output that lets the belt run; off on a fault")
