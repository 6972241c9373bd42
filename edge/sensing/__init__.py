"""From frames to items: finding, following, settling."""

from __future__ import annotations

from collections.abc import Callable

from edge.config import Station
from edge.interfaces import Trigger
from edge.sensing.beam import BeamTrigger
from edge.sensing.bin import BinTrigger
from edge.sensing.conveyor import ConveyorTrigger
from edge.transport.belt import BeltModel

__all__ = ["BeamTrigger", "BinTrigger", "ConveyorTrigger", "build_trigger"]


def build_trigger(
    station: Station, belt: BeltModel | None, is_moving: Callable[[int], bool] = lambda at: False
) -> Trigger:
    """Return the trigger of the station's kind.

    `belt` is the one that a conveyor's transport plans with, `is_moving` says when a bin's plate is being moved.
    """
    sensing, region = station.sensing, station.region
    if belt is None or station.belt is None:
        return BinTrigger(sensing, region, is_moving)
    trigger = ConveyorTrigger(sensing, region, station.belt, belt, station.inference.max_crops)
    return trigger if sensing.beam_pin is None else BeamTrigger(trigger, belt, sensing.beam_to_line_mm)
