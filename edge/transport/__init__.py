"""The way from the decision line into a bin."""

from __future__ import annotations

from edge.config import Station
from edge.transport.belt import BeltModel
from edge.transport.budget import InferenceBudget
from edge.transport.conveyor import Conveyor
from edge.transport.direct_drop import DirectDrop
from edge.transport.exit_sensors import Confirmations, Delivery

__all__ = [
    "BeltModel",
    "Confirmations",
    "Conveyor",
    "Delivery",
    "DirectDrop",
    "InferenceBudget",
    "build_belt",
    "build_transport",
]


def build_belt(station: Station) -> BeltModel | None:
    """Return the belt that a conveyor's trigger and transport share; None for a bin station."""
    if station.belt is None:
        return None
    encoder = station.belt.encoder
    return BeltModel(station.belt.speed_mm_per_s, None if encoder is None else encoder.ticks_per_mm)


def build_transport(station: Station, belt: BeltModel | None) -> Conveyor | DirectDrop:
    """Return the transport of the station's kind; `belt` is the one that its trigger measures."""
    bins, actuators = {b.name: b for b in station.bins}, {a.name: a for a in station.actuators}
    pace, max_crops = InferenceBudget(), station.inference.max_crops
    if belt is None:
        return DirectDrop(bins, actuators, pace, max_crops)
    return Conveyor(bins, actuators, belt, pace, max_crops, station.deciding.min_gap_mm)
