"""What is journalled, as rows: small, and without the frames that an Outcome still holds.

What did not happen is None here and NULL in the file: a stroke that was not fired, an item that no exit sensor saw.
Names (reasons, outcomes, kinds of events) are stored as their text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from edge.line import Outcome
from edge.tally import EXPECTED, NOT_SEEN
from edge.types import Event, Stroke


@dataclass(frozen=True, slots=True)
class DeliveryEntry:
    """An exit sensor saw the item fall into the bin; `landed_at` is None where it should have and did not."""

    item_id: int
    bin: str
    landed_at: int | None


Entry = Outcome | Stroke | DeliveryEntry | Event


class OutcomeRow(NamedTuple):
    """One item as it was decided; the stroke's fields are None where none was commanded."""

    item: int
    wall_time: float
    crossed_at: int
    decided_at: int
    frame_age_ns: int
    lane: int
    label: str
    score: float
    margin: float
    bin: str
    reason: str
    bundle: str
    actuator: str | None
    position: str | None
    fire_at: int | None
    release_at: int | None
    landed_in: str | None
    bin_score: float | None
    min_score: float | None
    bin_margin: float | None
    min_margin: float | None
    seen_as: str | None


class StrokeRow(NamedTuple):
    """What happened to the stroke of one item; `fired_at` is None where it was not fired."""

    item: int
    wall_time: float
    actuator: str
    position: str
    fire_at: int
    release_at: int
    fired_at: int | None
    released_at: int | None
    outcome: str


class DeliveryRow(NamedTuple):
    """Where an item was seen to land; `landed_at` is None where an exit sensor waited for it in vain."""

    item: int
    wall_time: float
    landed_at: int | None
    landed_in: str


class EventRow(NamedTuple):
    """One event; `number` counts up from 1 within one run."""

    number: int
    wall_time: float
    at: int
    kind: str
    severity: str
    code: str
    text: str


Row = OutcomeRow | StrokeRow | DeliveryRow | EventRow


def outcome_row(outcome: Outcome, wall_time: float, bundle: str) -> OutcomeRow:
    """Return the row of an item; it holds nothing of the frame."""
    item, decision, stroke = outcome.item, outcome.decision, outcome.actuation
    sure, seen = decision.confidence, outcome.prediction.looks if outcome.prediction else ()
    return OutcomeRow(
        item=item.item_id,
        wall_time=wall_time,
        crossed_at=item.crossed_at,
        decided_at=decision.decided_at,
        frame_age_ns=outcome.frame_age_ns,
        lane=item.lane,
        label=decision.label,
        score=decision.score,
        margin=decision.margin,
        bin=decision.bin,
        reason=decision.reason.value,
        bundle=bundle,
        actuator=stroke.actuator if stroke else None,
        position=stroke.position if stroke else None,
        fire_at=stroke.fire_at if stroke else None,
        release_at=stroke.release_at if stroke else None,
        landed_in=EXPECTED if outcome.is_watched else None,
        bin_score=sure.score if sure else None,
        min_score=sure.min_score if sure else None,
        bin_margin=sure.margin if sure else None,
        min_margin=sure.min_margin if sure else None,
        seen_as=" ".join(seen) or None,
    )


def delivery_row(delivery: DeliveryEntry, wall_time: float) -> DeliveryRow:
    """Return the row of what an exit sensor saw."""
    where = NOT_SEEN if delivery.landed_at is None else delivery.bin
    return DeliveryRow(delivery.item_id, wall_time, delivery.landed_at, where)


def stroke_rows(stroke: Stroke, wall_time: float) -> list[StrokeRow]:
    """Return one row for each item that the stroke served."""
    plan = stroke.actuation
    return [
        StrokeRow(
            item=item_id,
            wall_time=wall_time,
            actuator=plan.actuator,
            position=plan.position,
            fire_at=plan.fire_at,
            release_at=plan.release_at,
            fired_at=stroke.fired_at,
            released_at=stroke.released_at,
            outcome=stroke.outcome.value,
        )
        for item_id in plan.item_ids
    ]


def event_row(event: Event, number: int, wall_time: float) -> EventRow:
    """Return the row of an event."""
    return EventRow(number, wall_time, event.at, str(event.kind), str(event.severity), str(event.code), event.text)
