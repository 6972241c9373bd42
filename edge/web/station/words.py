"""What the page calls things: the table of states, next to REASON_TEXT in `edge/types.py` for reasons."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from edge.health.state import State
from edge.types import StrokeOutcome


class StateText(NamedTuple):
    """A heading that is readable from afar, what it means, and the tone that picks colour and sign."""

    title: str
    meaning: str
    tone: str  # good | calm | warn | bad | off


STATE_TEXT: Final[Mapping[State, StateText]] = {
    State.STARTING: StateText("Starting", "Waiting for the first picture.", "calm"),
    State.RUNNING: StateText("Running", "Items are being sorted.", "good"),
    State.STARVED: StateText("Waiting for items", "Everything is ready; nothing has come past for a while.", "calm"),
    State.DEGRADED: StateText("Running with limits", "Sorting goes on, but something needs attention.", "warn"),
    State.FAULT: StateText("Fault", "Nothing is sorted; every item runs to the residual bin.", "bad"),
    State.STOPPED: StateText("Stopped", "A person stopped the station. Nothing is sorted.", "off"),
    State.ESTOP: StateText("Emergency stop", "Nothing is moved until a person resets it.", "bad"),
}

TAUGHT_TEXT: Final[Mapping[str, StateText]] = {
    "conveyor": StateText("Being taught", "The belt runs, nothing is sorted.", "warn"),
    "bin": StateText("Being taught", "Things are shown to it, nothing is sorted.", "warn"),
}
"""Of a station that is stopped so that a person can teach it, by its kind."""

STROKE_TEXT: Final[Mapping[StrokeOutcome, str]] = {
    StrokeOutcome.PENDING: "on its way",
    StrokeOutcome.MOVED: "on its way",
    StrokeOutcome.FIRED: "diverted",
    StrokeOutcome.CANCELLED: "stroke cancelled",
    StrokeOutcome.REFUSED: "not diverted: the stroke came too late or in the way of another",
    StrokeOutcome.FAILED: "not diverted: the pin could not be driven",
}
ARRIVED_TEXT: Final[Mapping[bool, str]] = {True: "seen to fall into its bin", False: "not seen to fall into its bin"}

REFUSAL_TEXT: Final[Mapping[int, str]] = {
    401: "Sign in with the station's token; `sorter token` shows it there.",
    403: "This is not the station's token; `sorter token` shows it there.",
    429: "Too many wrong tokens: wait, and try again.",
    503: "The station's token can't be read: `sorter token` says why.",
}
"""What who signs in, or should, is told, by HTTP status."""
OTHER_PAGE_TEXT: Final = "Only this page itself may send that: load it again."
NO_TOKEN_TEXT: Final = "This station has no token: its page only shows."


class RefusedText(StrEnum):
    """Why the station does not do what a person asks for on its page."""

    NO_FAR_RESET = "A reset from here ends no emergency stop: press reset at the station."
    NO_SUCH_BIN = "There is no such bin."
    LEVEL_SENSOR = "This bin has a level sensor, which says by itself that it was emptied."
    NO_SUCH_DIVERTER = "There is no such diverter, or it has no such position."
    NOT_STOPPED = "A diverter is moved by hand only while sorting is stopped: stop sorting first."
    TAUGHT = "No diverter is moved while somebody teaches the station: things are put through by hand."
    NOT_MOVED = "The diverter was not moved: sorting goes on already, or another diverter is moving."
    NOT_DRIVEN = "The diverter did not move: its pin could not be driven."
    ONE_MODEL = "The station file names one model with `inference.bundle`, so there is no other to go back to."
    NO_PREVIOUS = "There is no earlier model to go back to."
    OTHER_MODEL = "Another model is in use by now: look again."
