"""A Snapshot as the JSON that page and API share. Numbers that are not finite become null."""

from __future__ import annotations

import json
import math
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from edge.clock import NS_PER_MS, NS_PER_S
from edge.config import Station
from edge.health.faults import Fault, FaultKind
from edge.health.health import ENDED_BY_RESET
from edge.health.state import State
from edge.interfaces import Sighting
from edge.status.snapshot import RecentItem, SeenPurity, Snapshot
from edge.tally import IN_NO_BIN
from edge.types import REASON_TEXT, Reason
from edge.web.station.pictures import BeltPicture
from edge.web.station.words import ARRIVED_TEXT, STATE_TEXT, STROKE_TEXT, TAUGHT_TEXT

# More boxes than this say nothing to the eye, and they travel in a header.
MAX_BOXES = 32


def describe_status(snapshot: Snapshot, station: Station, disk_free: int | None) -> dict[str, Any]:
    """Return everything but the items."""
    is_stopped = snapshot.state is State.STOPPED
    is_taught = is_stopped and bool(snapshot.taught_by)
    text = TAUGHT_TEXT[station.kind] if is_taught else STATE_TEXT[snapshot.state]
    return {
        "station": {"name": station.name, "kind": station.kind, "simulated": station.camera.is_simulated},
        "state": {
            "code": str(snapshot.state),
            "title": text.title,
            "meaning": text.meaning,
            "tone": text.tone,
        },
        "paused": bool(snapshot.paused_by) and not snapshot.taught_by,
        "stopped_by": snapshot.paused_by if is_stopped and not is_taught else "",
        "taught_by": snapshot.taught_by if is_taught else "",
        "faults": [
            {
                "code": str(fault.kind),
                "sentence": fault.spec.sentence,
                "detail": fault.detail,
                "advice": fault.spec.advice,
                "holds": fault.spec.inhibits,
                "ended_by": _ended_by(fault, station),
            }
            for fault in snapshot.faults
        ],
        "model": {"name": snapshot.model[0], "version": snapshot.model[1]},
        "run": run_mark(snapshot),
        "total": snapshot.total,
        "items_per_min": rounded(snapshot.items_per_min),
        "uptime_s": rounded(snapshot.uptime_ns / NS_PER_S),
        "bins": _describe_bins(snapshot, station),
        "reasons": _describe_reasons(snapshot),
        "health": {
            "picture_age_ms": _in_ms(snapshot.picture_age_ns),
            "stall_ms": station.safety.stall_ms,
            "deciding_ms": _in_ms(snapshot.deciding.median) if snapshot.deciding.count else None,
            "deciding_p99_ms": _in_ms(snapshot.deciding.p99) if snapshot.deciding.count else None,
            "frame_age_ms": _in_ms(snapshot.frame_age.median) if snapshot.frame_age.count else None,
            "spare_ms": _in_ms(snapshot.spare.median) if snapshot.spare.count else None,
            "disk_free_mb": None if disk_free is None else disk_free // 1_000_000,
            "journal_rows": dict(snapshot.journal_rows),
            "temperature_c": rounded(snapshot.machine.temperature_c),
        },
        "revision": snapshot.revision,
    }


def _ended_by(fault: Fault, station: Station) -> str:
    """Return which of the page's actions ends it, as its address; empty where none does."""
    counted = {where.name for where in station.bins if where.full_pin is None}
    if fault.kind in (FaultKind.BIN_FULL, FaultKind.RESIDUAL_FULL) and fault.detail in counted:
        return "/emptied"
    return "/reset" if fault.kind in ENDED_BY_RESET - {FaultKind.EMERGENCY_STOP} else ""


def status_line(snapshot: Snapshot, station: Station) -> str:
    """Return all of it as one line of JSON, but the disk: whoever asks waits for no card."""
    return json.dumps(
        describe_status(snapshot, station, None) | {"items": describe_items(snapshot)}, separators=(",", ":")
    )


def describe_items(snapshot: Snapshot, after_revision: int = 0) -> list[dict[str, Any]]:
    """Return the last items that changed after the revision, newest first."""
    return [_describe_item(item, snapshot) for item in snapshot.items if item.revision > after_revision]


def run_mark(snapshot: Snapshot) -> str:
    """Return what tells one run of the controller from the next, whose items are numbered from 1 again."""
    return f"{snapshot.taken_at - snapshot.uptime_ns:x}"


def _describe_item(item: RecentItem, snapshot: Snapshot) -> dict[str, Any]:
    decision = item.decision
    number = decision.item_id
    return {
        "id": number,
        "label": decision.label,
        "score": rounded(decision.score, 4) if decision.label else None,
        "margin": rounded(decision.margin, 4) if decision.label else None,
        "bin": decision.bin,
        "reason": str(item.reason),
        "text": REASON_TEXT[item.reason],
        "age_s": rounded((snapshot.taken_at - decision.decided_at) / NS_PER_S),
        "deciding_ms": _in_ms(decision.decided_at - item.crossed_at),
        "spare_ms": _in_ms(item.spare_ns),
        "stroke": item.stroke,
        "stroke_text": _stroke_text(item),
        "arrived": item.arrived,
        "crop": f"/crops/{number}.jpg?run={run_mark(snapshot)}" if number in snapshot.pictured else "",
        "revision": item.revision,
    }


def _stroke_text(item: RecentItem) -> str:
    if item.spare_ns is None:
        return ""
    if item.arrived is not None:
        return ARRIVED_TEXT[item.arrived]
    return STROKE_TEXT[item.stroke]


def describe_belt(picture: BeltPicture, snapshot: Snapshot, station: Station) -> dict[str, Any]:
    """Return what is drawn over the belt picture: its size, the boxes and the decision line, in its pixels."""
    items = {item.decision.item_id: item for item in snapshot.items}
    return {
        "width": picture.size[0],
        "height": picture.size[1],
        "line": _decision_line(picture.size, station),
        "boxes": [_describe_box(s, items.get(s.item_id)) for s in picture.sightings[:MAX_BOXES]],
    }


def _describe_box(sighting: Sighting, item: RecentItem | None) -> dict[str, Any]:
    box = sighting.box
    described: dict[str, Any] = {"box": [box.x, box.y, box.width, box.height], "label": "", "score": None, "bin": ""}
    if item is not None:
        decision = item.decision
        described |= {"label": decision.label, "bin": decision.bin, "score": rounded(decision.score, 4)}
    return described


def count_by_bin(snapshot: Snapshot) -> Counter[str]:
    """Return how many items each bin took since the start."""
    counts: Counter[str] = Counter()
    for (name, reason), count in snapshot.counts.items():
        counts[name] += count if reason not in IN_NO_BIN else 0
    return counts


def _describe_bins(snapshot: Snapshot, station: Station) -> list[dict[str, Any]]:
    full, counts = snapshot.full_bins, count_by_bin(snapshot)
    return [
        {
            "name": where.name,
            "labels": list(where.labels),
            "count": counts[where.name],
            "enabled": where.enabled,
            "level": snapshot.levels.get(where.name),
            "capacity": where.capacity,
            "purity": describe_purity(snapshot.purity.get(where.name)),
            "full": where.name in full,
        }
        for where in station.bins
    ]


def describe_purity(seen: SeenPurity | None) -> dict[str, Any] | None:
    """Return what people saw in a bin; None where nobody looked."""
    if seen is None:
        return None
    return {
        "share": rounded(seen.share, 4),
        "low": rounded(seen.low, 4),
        "high": rounded(seen.high, 4),
        "labelled": seen.labelled,
        "unlabelled": seen.unlabelled,
        "missing": seen.missing,
        "last": None if seen.last is None else datetime.fromtimestamp(seen.last, UTC).isoformat(timespec="seconds"),
    }


def _describe_reasons(snapshot: Snapshot) -> list[dict[str, Any]]:
    counts: Counter[Reason] = Counter()
    for (_, reason), count in snapshot.counts.items():
        counts[reason] += count
    return [
        {"reason": str(reason), "text": REASON_TEXT[reason], "count": count}
        for reason, count in counts.most_common()
        if reason is not Reason.SORTED
    ]


def _decision_line(size: tuple[int, int], station: Station) -> list[float] | None:
    """Return x1, y1, x2, y2 of the line on which a conveyor decides; None for a bin."""
    if station.belt is None:
        return None
    region, fraction = station.region, station.belt.decision_line
    left, top = region.x, region.y
    width = (region.width or size[0] - left) if left < size[0] else size[0]
    height = (region.height or size[1] - top) if top < size[1] else size[1]
    if station.belt.direction in ("left", "up"):
        fraction = 1 - fraction
    if station.belt.direction in ("left", "right"):
        x = left + fraction * width
        return [x, top, x, top + height]
    y = top + fraction * height
    return [left, y, left + width, y]


def rounded(number: float | None, digits: int = 1) -> float | None:
    """Return the number as JSON can hold it."""
    return None if number is None or not math.isfinite(number) else round(number, digits)


def _in_ms(duration_ns: int | None) -> float | None:
    return None if duration_ns is None else round(duration_ns / NS_PER_MS, 1)
