"""Settings of the way from picture to bin: what is looked at, found, classified and decided, and where it lands."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from edge.config.base import Ms, Name, Pin, Pixel, Pixels, Settings


class Region(Settings):
    """The part of the picture that is looked at; pixels."""

    x: Pixel = Field(default=0, description="left edge, pixels")
    y: Pixel = Field(default=0, description="top edge, pixels")
    width: Pixels | None = Field(default=None, description="width, pixels; unset: to the right edge")
    height: Pixels | None = Field(default=None, description="height, pixels; unset: to the bottom edge")


class Sensing(Settings):
    """Finding and following items."""

    min_item_mm2: float = Field(
        default=200.0, gt=0, description="smaller things are dirt, mm2 (pixels2 without a scale)"
    )
    largest_item_mm: float | None = Field(
        default=None, gt=0, le=5000, description="what is longer is two items that touch, mm; unset: any length"
    )
    sensitivity: float = Field(default=1.0, ge=0.2, le=5, description="above 1 sees fainter items and more dirt")
    settle_ms: Ms = Field(default=300.0, le=10_000, description="bin station: how long an item must lie still, ms")
    beam_pin: Pin | None = Field(
        default=None, description="beam-break or proximity sensor, low while an item is there", examples=[25]
    )
    beam_to_line_mm: float = Field(default=0.0, ge=-5000, le=5000, description="sensor to decision line, mm")


class Inference(Settings):
    """The model and how it is run."""

    bundle: Path | None = Field(
        default=None,
        description="a bundle file; unset: the store's current one, else the shipped one",
        examples=["waste-2.0.sorter"],
    )
    runtime: Literal["auto", "litert", "tflite-runtime"] = Field(default="auto", description="interpreter")
    threads: int = Field(default=1, ge=1, le=8, description="inference threads")
    max_crops: int = Field(default=3, ge=1, le=10, description="pictures of one item that are looked at, at most")
    max_invoke_ms: float | None = Field(
        default=None, gt=0, description="a model slower than this is not activated, ms", examples=[80.0]
    )
    allow_unsigned: bool = Field(default=False, description="use bundles without a signature by a trusted key")
    keys: Path = Field(default=Path("keys"), description="folder of trusted keys, *.pub; relative to the station file")


class Deciding(Settings):
    """When an item is sure enough for its bin."""

    min_score: float | None = Field(
        default=None, ge=0, le=1, description="one threshold for all labels; unset: the model's own", examples=[0.8]
    )
    min_margin: float = Field(default=0.0, ge=0, le=1, description="least distance to the second best score")
    min_gap_mm: float = Field(
        default=0.0, ge=0, le=1000, description="least gap between items that the widest blade or jet leaves alone, mm"
    )


class Bin(Settings):
    """Where items land."""

    name: Name = Field(description="bin's name; one bin must be called residual")
    labels: tuple[Name, ...] = Field(default=(), description="labels of the model that belong in it")
    actuator: Name | None = Field(default=None, description="what brings items here; none: the end of the belt")
    position: str = Field(default="", description="position of that actuator, for servos and steppers")
    distance_mm: float | None = Field(
        default=None, gt=0, le=20_000, description="decision line to diverter, along the belt, mm"
    )
    dwell_ms: Ms = Field(
        default=120.0, le=10_000, description="how long the actuator stays, on top of the item's own length, ms"
    )
    capacity: int | None = Field(
        default=None,
        ge=1,
        description="items until it counts as full, where no full_pin says so; unset: never",
        examples=[400],
    )
    full_pin: Pin | None = Field(default=None, description="input that is low when the bin is full")
    exit_pin: Pin | None = Field(default=None, description="input that is low while an item falls into the bin")
    enabled: bool = Field(default=True, description="false: its items go to residual")
    min_purity: float | None = Field(
        default=None, gt=0, lt=1, description="purity asked for, if other than the model's own", examples=[0.98]
    )
