"""What flows along the line: frozen values, one per arrow of the path of the data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""(height, width, 3), RGB, 8 bits a channel; a stage never writes into the image it is given."""


class Reason(StrEnum):
    """Why an item goes where it goes; everything but SORTED ends in the residual bin."""

    SORTED = "sorted"  # sure enough: to the label's own bin
    RESIDUAL_LABEL = "residual-label"  # the label itself belongs to the residual bin
    UNSURE = "unsure"  # score or margin under the threshold
    LATE = "late"  # decided after the last instant at which the diverter could still be met
    TOUCHING = "touching"  # two or more items that can't be told apart
    NOT_CLASSIFIED = "not-classified"  # overload or no usable picture of it
    BIN_FULL = "bin-full"
    BIN_DISABLED = "bin-disabled"
    TOO_CLOSE = "too-close"  # the neighbour would be hit by the same stroke
    DIVERTER_BUSY = "diverter-busy"  # the diverter can't be back in time
    HELD = "held"  # a fault or an emergency stop: nothing is fired
    BELT_STOPPED = "belt-stopped"
    TOO_LARGE = "too-large"  # larger than the view or the chute
    SLIPPED = "slipped"  # did not move as the belt did


@dataclass(frozen=True, slots=True)
class Box:
    """An axis-aligned rectangle in pixels; (x, y) is its top left corner."""

    x: int
    y: int
    width: int
    height: int

    @property
    def centre(self) -> tuple[float, float]:
        return self.x + self.width / 2, self.y + self.height / 2

    @property
    def area(self) -> int:
        return self.width * self.height


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture; `captured_at` is its exposure instant in nanoseconds on the station's clock."""

    pixels: Image
    captured_at: int
    sequence: int


@dataclass(frozen=True, slots=True)
class Crop:
    """One view of an item: the whole frame it was seen in and where.

    `sharpness` is the variance of the Laplacian over the box (grey levels squared); `centring` is
    1 when the box is in the middle of the view and 0 when it touches its edge.
    """

    pixels: Image
    box: Box
    captured_at: int
    sharpness: float
    centring: float


@dataclass(frozen=True, slots=True)
class Item:
    """One object that crossed the decision line (conveyor) or came to rest (bin).

    Attributes:
        item_id: counts up from 1 within one run of the controller.
        crossed_at: nanoseconds; interpolated instant at which its centre met the decision line.
        crops: views of it, best first; never empty unless nothing usable was seen.
        lane: 0 is the lane nearest the top of the picture.
        length_mm: extent along the belt; 0 where the station has no scale.
        speed_mm_per_s: its own measured speed along the belt; 0 for a bin station.
        concern: a reason found while sensing (TOUCHING, TOO_LARGE, ...) that sends it to residual.
    """

    item_id: int
    crossed_at: int
    crops: tuple[Crop, ...]
    lane: int = 0
    length_mm: float = 0.0
    speed_mm_per_s: float = 0.0
    concern: Reason | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model says of one item: calibrated probabilities in the order of `labels`.

    `margin` is the distance of the best score from the second best. `crops_used` counts the
    inferences fused into it.
    """

    label: str
    score: float
    margin: float
    labels: tuple[str, ...]
    scores: tuple[float, ...]
    crops_used: int = 1


@dataclass(frozen=True, slots=True)
class Decision:
    """Where one item shall go and why; `label` and `score` are empty if it was not classified."""

    item_id: int
    bin: str
    reason: Reason
    decided_at: int
    label: str = ""
    score: float = 0.0
    margin: float = 0.0


@dataclass(frozen=True, slots=True)
class Actuation:
    """One stroke: a fire and its release, scheduled together, in nanoseconds on the station's clock.

    `item_ids` are the items that the stroke serves (neighbours for one bin share a stroke).
    """

    actuator: str
    fire_at: int
    release_at: int
    item_ids: tuple[int, ...]
    position: str = ""  # the bin, for actuators that have several positions (servo, stepper)


@dataclass(frozen=True, slots=True)
class Stroke:
    """What really happened to an Actuation; `fired_at` is 0 where it was refused or cancelled."""

    actuation: Actuation
    fired_at: int
    released_at: int
    outcome: str = "fired"  # fired | cancelled | refused | failed


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the journal about the station itself: a state change, a fault, a model swap.

    `kind` is a short word from the list in `edge/journal.py`; `text` is a sentence for people.
    """

    kind: str
    at: int
    text: str
    severity: str = "note"  # note | warning | fault
    code: str = ""
