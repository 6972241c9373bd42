"""What flows along the line: frozen values, one per arrow of the path of the data."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""(height, width, 3), RGB, 8 bits a channel; a stage never writes into the image it is given."""


class Reason(StrEnum):
    """Why an item goes where it goes; a decision for anything but SORTED is one for the residual bin."""

    SORTED = "sorted"  # sure enough: to the label's own bin
    RESIDUAL_LABEL = "residual-label"  # the label itself belongs to the residual bin
    UNSURE = "unsure"  # score or margin under the threshold
    UNKNOWN = "unknown"  # more like things of none of the labels than like any label
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
    # What became of an item that was to be sorted; see edge/tally.py.
    UNDER_WAY = "under-way"  # neither its stroke nor an exit sensor has told yet
    NOT_DIVERTED = "not-diverted"  # its stroke was refused, cancelled or failed
    NOT_SEEN = "not-seen"  # its stroke was fired and the exit sensor of its bin did not see it


REASON_TEXT: Final[Mapping[Reason, str]] = {
    Reason.SORTED: "sorted into its own bin",
    Reason.RESIDUAL_LABEL: "this kind has no bin of its own",
    Reason.UNSURE: "the model was not sure enough",
    Reason.UNKNOWN: "it is like none of the kinds that the model was taught",
    Reason.LATE: "decided too late to reach the diverter",
    Reason.TOUCHING: "touching another item, can't be told apart",
    Reason.NOT_CLASSIFIED: "no time or no usable picture to look at it",
    Reason.BIN_FULL: "its bin is full",
    Reason.BIN_DISABLED: "its bin is switched off",
    Reason.TOO_CLOSE: "too close to its neighbour, the stroke would hit both",
    Reason.DIVERTER_BUSY: "the diverter was still busy with another item",
    Reason.HELD: "sorting is held by a fault, a person or an emergency stop",
    Reason.BELT_STOPPED: "the belt was stopped",
    Reason.TOO_LARGE: "too large for the view or the chute",
    Reason.SLIPPED: "it did not move along with the belt",
    Reason.UNDER_WAY: "on its way to its bin when last heard of",
    Reason.NOT_DIVERTED: "its stroke was refused, cancelled or failed",
    Reason.NOT_SEEN: "its stroke was fired, but the sensor did not see it fall into its bin",
}
"""For people: completes the sentence 'it went where it went because ...'."""


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


def _nothing() -> None:
    """Give nothing back: the pixels are the frame's own."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture.

    Attributes:
        captured_at: its exposure instant in nanoseconds on the station's clock.
        small: the same picture, smaller, where the camera gives it as well; items are found in it.
        give_back: returns `pixels` to the camera, which writes into them from then on; may be called twice. A frame
            that was not lent has none to return.
    """

    pixels: Image
    captured_at: int
    sequence: int
    small: Image | None = None
    give_back: Callable[[], None] = _nothing

    @property
    def smallest(self) -> Image:
        """The smaller of both pictures, for whoever looks at all of it; it is never lent where there are two."""
        return self.pixels if self.small is None else self.small


@dataclass(frozen=True, slots=True)
class Crop:
    """One view of an item: what its frame shows of it and around it, and where in that it is.

    `corner` is the top left one of `pixels` in the frame. `sharpness` is the variance of the Laplacian over the box (grey levels squared); `centring` is
    1 when the box is in the middle of the view and 0 when it touches its edge.
    """

    pixels: Image
    box: Box
    captured_at: int
    sharpness: float
    centring: float
    corner: tuple[int, int] = (0, 0)

    @property
    def in_frame(self) -> Box:
        """The box in pixels of the frame."""
        return replace(self.box, x=self.box.x + self.corner[0], y=self.box.y + self.corner[1])


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
        gap_behind_mm: free belt between its back and the front of the next item in view.
        concern: a reason found while sensing (TOUCHING, TOO_LARGE, ...) that sends it to residual.
    """

    item_id: int
    crossed_at: int
    crops: tuple[Crop, ...]
    lane: int = 0
    length_mm: float = 0.0
    speed_mm_per_s: float = 0.0
    gap_behind_mm: float = math.inf
    reject_reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model says of one item: calibrated probabilities in the order of `labels`.

    Attributes:
        margin: distance of the best score from the second best.
        crops_used: how many inferences are fused into it.
        is_unknown: it is more like things of none of the labels than like the best one.
        features: codes (features,) that the network gave for the first crop; None where it gives scores alone.
        looks: the label that each crop alone was found as, first to last.
    """

    label: str
    score: float
    margin: float
    labels: tuple[str, ...]
    scores: tuple[float, ...]
    crops_used: int = 1
    is_unknown: bool = False
    features: NDArray[np.uint8] | NDArray[np.int8] | None = field(default=None, compare=False, repr=False)
    looks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Confidence:
    """How sure the model was of a bin, and how sure it had to be.

    Attributes:
        score: probability that the item belongs in the bin; labels of one bin add up.
        min_score: the threshold of the label's score at that instant.
        margin: distance of the score from that of the next best bin.
        min_margin: the least that the station asks for.
    """

    score: float
    min_score: float
    margin: float
    min_margin: float

    @property
    def is_enough(self) -> bool:
        """Whether both reach what is asked for."""
        return self.score >= self.min_score and self.margin >= self.min_margin


@dataclass(frozen=True, slots=True)
class Decision:
    """Where one item shall go and why; `label` and `score` are empty if it was not classified.

    `confidence` is None where no bin but the residual one came into question.
    """

    item_id: int
    bin: str
    reason: Reason
    decided_at: int
    label: str = ""
    score: float = 0.0
    margin: float = 0.0
    confidence: Confidence | None = None


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


class StrokeOutcome(StrEnum):
    """What became of a stroke that was commanded."""

    PENDING = ""  # it has not ended yet; no Stroke says so
    FIRED = "fired"  # the actuator was driven
    MOVED = "moved"  # another is planned in its place
    CANCELLED = "cancelled"  # withdrawn before its time
    REFUSED = "refused"  # too late, or in the way of another
    FAILED = "failed"  # the pin could not be driven


@dataclass(frozen=True, slots=True)
class Stroke:
    """What really happened to an Actuation; `fired_at` and `released_at` are None where it was not fired."""

    actuation: Actuation
    fired_at: int | None
    released_at: int | None
    outcome: StrokeOutcome = StrokeOutcome.FIRED


class Severity(StrEnum):
    """How grave it is, for a fault as for an event."""

    NOTE = "note"  # all is well
    WARNING = "warning"  # sorting goes on
    FAULT = "fault"  # nothing is fired


class EventKind(StrEnum):
    """What an event tells of."""

    STATE = "state"  # the station's state changed; the code is the new one
    FAULT = "fault"  # a fault came up; the code is its kind
    CLEARED = "cleared"  # a fault is over; the code is its kind
    RECOVERY = "recovery"  # something is tried against a fault; the code is its kind
    ESTOP = "estop"  # the emergency stop was pressed
    RESET = "reset"  # a person pressed reset
    PAUSE = "pause"  # a person stopped the station
    RESUME = "resume"  # a person let it go on
    EMPTIED = "emptied"  # a person said that a bin was emptied
    TEACHING = "teaching"  # a person began to teach, ended that, forgot a label or installed what was learnt
    JOG = "jog"  # a person had a diverter move
    MODEL = "model"  # another model went to work, was refused or rolled back
    MODEL_DAMAGED = "model-damaged"  # an installed model can't be used
    JOURNAL_DAMAGED = "journal-damaged"  # the file was set aside and a new one begun
    JOURNAL_LOSS = "journal-loss"  # rows were lost: nothing could be stored and the queue was full


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the journal about the station itself; `text` is a sentence for people.

    `code` says which fault (`edge/health/faults.py`) or which state it is about, or else repeats the kind.
    """

    kind: EventKind
    at: int
    text: str
    severity: Severity = Severity.NOTE
    code: str = ""
