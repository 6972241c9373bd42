"""From frames to items: finding, following, settling."""

from __future__ import annotations

from edge.config import Station
from edge.interfaces import Trigger
from edge.sensing.beam import BeamTrigger
from edge.sensing.conveyor import ConveyorTrigger
from edge.sensing.settle import BinTrigger
from edge.transport.belt import BeltModel

__all__ = ["BeamTrigger", "BinTrigger", "ConveyorTrigger", "build_trigger"]


def build_trigger(station: Station, belt: BeltModel | None) -> Trigger:
    """Return the trigger of the station's kind; `belt` is the one that its transport plans with."""
    if belt is None:
        return BinTrigger(station)
    trigger = ConveyorTrigger(station, belt)
    sensing = station.sensing
    return trigger if sensing.beam_pin is None else BeamTrigger(trigger, belt, sensing.beam_to_line_mm)
