"""What a running station tells of itself, checked: whoever may write its state folder may have told it."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from edge.errors import ControlError
from edge.health.state import State
from edge.station.stops.control import NAME, ask_status


class _Told(BaseModel):
    """A part of it; what this version does not know is left out."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class ToldStation(_Told):
    name: str
    kind: str
    simulated: bool


class ToldState(_Told):
    code: State
    title: str
    meaning: str
    tone: str


class ToldFault(_Told):
    code: str
    sentence: str
    advice: str


class ToldModel(_Told):
    name: str
    version: str


class ToldBin(_Told):
    name: str
    count: int
    level: int | None
    capacity: int | None
    full: bool


class ToldReason(_Told):
    text: str
    count: int


class ToldHealth(_Told):
    picture_age_ms: float | None
    deciding_ms: float | None
    deciding_p99_ms: float | None
    spare_ms: float | None
    temperature_c: float | None


class ToldItem(_Told):
    id: int
    label: str
    score: float | None
    bin: str
    text: str
    stroke_text: str
    age_s: float | None


class Status(_Told):
    """How a station is, as its page shows it."""

    station: ToldStation
    state: ToldState
    stopped_by: str = ""
    taught_by: str = ""
    faults: tuple[ToldFault, ...]
    model: ToldModel
    total: int
    items_per_min: float | None
    uptime_s: float | None
    bins: tuple[ToldBin, ...]
    reasons: tuple[ToldReason, ...]
    health: ToldHealth
    items: tuple[ToldItem, ...]


def read_status(folder: Path) -> Status:
    """Ask the station that runs in a state folder.

    Raises:
        ControlError: no station runs there, it may not be asked, does not answer, or tells something else.
    """
    told = ask_status(folder)
    try:
        return Status.model_validate_json(told)
    except ValidationError:
        raise ControlError(
            f"{folder / NAME}: the station tells its status in another way; is it of another version? "
            "After an update: `sudo systemctl restart sorter`"
        ) from None
