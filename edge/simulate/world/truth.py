"""What really happened to every simulated item, whatever the product thinks of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SPILLED: Final = "(spilled)"
"""Where an item lands that a half-closed flap struck or that got stuck in a chute; no bin has this name."""


@dataclass(slots=True)
class TrueItem:
    """One item; instants are nanoseconds on the station's clock and 0 as long as it has not happened.

    Attributes:
        number: counts up from 1 in the order of arrival.
        lane: as the product numbers lanes.
        length_mm, width_mm: extent along and across the belt; 0 at a bin station.
        crossed_at: its middle met the decision line; at a bin station it came to rest.
        landed_in: a bin, SPILLED, or empty while it is on its way.
        struck_by: the actuator that hit it while moving, if any.
    """

    number: int
    label: str
    photo: str
    lane: int = 0
    length_mm: float = 0.0
    width_mm: float = 0.0
    entered_at: int = 0
    crossed_at: int = 0
    landed_in: str = ""
    landed_at: int = 0
    struck_by: str = ""
