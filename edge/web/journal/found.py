"""An item of the journal as the page shows it: what was seen, what it missed, when its stroke was due and when it came."""

from __future__ import annotations

import math
from datetime import datetime
from pathlib import Path
from typing import Any

from edge.bundle.kept_names import item_of, look_names
from edge.clock import NS_PER_MS, NS_PER_S
from edge.journal.reading import ItemRecord
from edge.tally import EXPECTED, NOT_SEEN
from edge.types import REASON_TEXT, Reason, StrokeOutcome
from edge.web.journal.asking import local_time
from edge.web.station.words import STROKE_TEXT

MOST_LOOKS = 9
_REASON_TEXT = {reason.value: text for reason, text in REASON_TEXT.items()}
_STROKE_TEXT = {outcome.value: text for outcome, text in STROKE_TEXT.items()}


def describe_found(item: ItemRecord, pictures: Path | None, live: str) -> dict[str, Any]:
    """Return the JSON of an item; `live` is the address of its picture in memory, or empty. Looks which pictures are there."""
    kept = _kept(item, pictures)
    return {
        "row": item.row,
        "item": item.item,
        "run": item.run_id,
        "time": _at(item, item.decided_at),
        "label": item.label or "",
        "score": _finite(item.score) if item.label else None,
        "bin": item.bin or "",
        "reason": item.reason or "",
        "text": _REASON_TEXT.get(item.reason or "", ""),
        "lane": item.lane,
        "seen_as": (item.seen_as or "").split(),
        "confidence": _confidence(item),
        "deciding_ms": _ms_between(item.crossed_at, item.decided_at),
        "stroke": _stroke(item),
        "landed": _landed(item),
        "pictures": [f"/kept/{name}" for name in kept] or ([live] if live else []),
        "pictures_gone": item.picture is not None and not kept,
        "kept": item.kept or "",
        "model": (item.bundle or "")[:12],
    }


def _confidence(item: ItemRecord) -> dict[str, Any] | None:
    """Return how sure the model was of the bin, how sure it had to be, and what it missed; None where no bin was asked for."""
    score, min_score = _finite(item.bin_score), _finite(item.min_score)
    margin, min_margin = _finite(item.bin_margin), _finite(item.min_margin)
    if score is None or min_score is None or margin is None or min_margin is None:
        return None
    missed = [name for name, has, must in (("score", score, min_score), ("margin", margin, min_margin)) if has < must]
    return {
        "score": score,
        "min_score": min_score,
        "margin": margin,
        "min_margin": min_margin,
        "missed": missed if item.reason == Reason.UNSURE else [],
    }


def _stroke(item: ItemRecord) -> dict[str, Any] | None:
    if item.actuator is None:
        return None
    outcome = item.outcome or StrokeOutcome.PENDING.value
    return {
        "actuator": item.actuator,
        "position": item.position or "",
        "planned": _at(item, item.fire_at),
        "fired": _at(item, item.fired_at),
        "late_ms": _ms_between(item.fire_at, item.fired_at, 2),
        "spare_ms": _ms_between(item.decided_at, item.fire_at),
        "outcome": outcome,
        "text": _STROKE_TEXT.get(outcome, ""),
    }


def _landed(item: ItemRecord) -> dict[str, Any] | None:
    """Return what the exit sensor of its bin saw; None where there is none, or it has not spoken."""
    if item.landed_in in (None, EXPECTED):
        return None
    seen = item.landed_in != NOT_SEEN
    return {"seen": seen, "bin": item.landed_in if seen else "", "at": _at(item, item.landed_at)}


def _kept(item: ItemRecord, pictures: Path | None) -> list[str]:
    """Return the names of the kept pictures that are still there."""
    if pictures is None or not item.picture:
        return []
    looks = min(max(item.looks or 1, 1), MOST_LOOKS)
    names = dict.fromkeys([item.picture, *look_names(item_of(item.picture), looks)])
    return [name for name in names if "/" not in name and "\0" not in name and (pictures / name).is_file()]


def _at(item: ItemRecord, instant: int | None) -> str | None:
    """Return an instant of the item as local time: its row was dated when it was decided."""
    if instant is None or not item.time:
        return None
    reference = next((at for at in (item.decided_at, item.fire_at, item.landed_at) if at is not None), instant)
    dated = datetime.fromisoformat(item.time).timestamp()
    return local_time(dated + (instant - reference) / NS_PER_S, "milliseconds")


def _ms_between(begin: int | None, end: int | None, digits: int = 1) -> float | None:
    return None if begin is None or end is None else round((end - begin) / NS_PER_MS, digits)


def _finite(number: float | None) -> float | None:
    return None if number is None or not math.isfinite(number) else round(number, 4)
