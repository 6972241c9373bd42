"""From frames to items: finding, following, settling."""

from __future__ import annotations

from edge.config import Station
from edge.interfaces import Trigger
from edge.sensing.conveyor import ConveyorTrigger
from edge.sensing.settle import BinTrigger
from edge.transport.belt import BeltModel

__all__ = ["BinTrigger", "ConveyorTrigger", "build_trigger"]


def build_trigger(station: Station, belt: BeltModel | None) -> Trigger:
    """Return the trigger of the station's kind; `belt` is the one that its transport plans with."""
    return BinTrigger(station) if belt is None else ConveyorTrigger(station, belt)
