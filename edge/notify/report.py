"""What a broker is told of a station: one JSON object, the newest of which stays there."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from edge.config.sorting import Bin
from edge.health.faults import Fault
from edge.notify.message import say_fault
from edge.status.snapshot import RecentItem, SeenPurity, Snapshot
from edge.tally import IN_NO_BIN
from edge.types import REASON_TEXT
from edge.words import translate

# Home Assistant takes no longer state.
LONGEST_STATE = 255
_PURITY = ("percent", "low_percent", "high_percent", "labelled", "unlabelled", "missing", "last")


def describe(snapshot: Snapshot, bins: tuple[Bin, ...], language: str) -> dict[str, Any]:
    """Return what goes on; a number that is not known is null. What is a sentence is in that language."""
    machine = snapshot.machine
    faults = [_describe_fault(fault, language) for fault in snapshot.faults]
    worst = f"{faults[0]['text']} {faults[0]['advice']}" if faults else translate("All is well.", language)
    return {
        "state": str(snapshot.state),
        "paused_by": snapshot.paused_by,
        "fault": worst if len(worst) <= LONGEST_STATE else f"{worst[: LONGEST_STATE - 3]}...",
        "faults": faults,
        # Not "items": in a template that would be what every table has by that name.
        "total": snapshot.total,
        "items_per_min": round(snapshot.items_per_min, 1),
        "bins": _describe_bins(snapshot, bins),
        "last_item": _describe_item(snapshot.items[0] if snapshot.items else None, language),
        "model": {"name": snapshot.model[0], "version": snapshot.model[1]},
        "temperature_c": None if machine.temperature_c is None else round(machine.temperature_c, 1),
    }


def _describe_fault(fault: Fault, language: str) -> dict[str, str]:
    return {
        "fault": str(fault.kind),
        "severity": str(fault.spec.severity),
        "detail": fault.detail,
        "text": say_fault(fault, language),
        "advice": translate(fault.spec.advice, language),
    }


def _describe_bins(snapshot: Snapshot, bins: tuple[Bin, ...]) -> dict[str, Any]:
    counts: Counter[str] = Counter()
    for (name, reason), count in snapshot.counts.items():
        counts[name] += count if reason not in IN_NO_BIN else 0
    return {
        where.name: {
            "count": counts[where.name],
            "level": snapshot.levels.get(where.name),
            "level_percent": _percent(snapshot.levels.get(where.name), where.capacity),
            "full": where.name in snapshot.full_bins,
            "purity": _describe_purity(snapshot.purity.get(where.name)),
        }
        for where in bins
    }


def _describe_purity(seen: SeenPurity | None) -> dict[str, Any]:
    """What people saw in a bin; all null where nobody looked, the share null while they looked at too little."""
    if seen is None:
        return dict.fromkeys(_PURITY)
    share, low, high = (None if part is None else round(100 * part, 1) for part in (seen.share, seen.low, seen.high))
    last = None if seen.last is None else datetime.fromtimestamp(seen.last, UTC).isoformat(timespec="seconds")
    return dict(zip(_PURITY, (share, low, high, seen.labelled, seen.unlabelled, seen.missing, last), strict=True))


def _percent(level: int | None, capacity: int | None) -> int | None:
    return None if level is None or not capacity else min(100, 100 * level // capacity)


def _describe_item(item: RecentItem | None, language: str) -> dict[str, Any]:
    if item is None:
        return {"id": None, "label": None, "bin": None, "reason": None, "text": None, "score": None}
    decision = item.decision
    return {
        "id": decision.item_id,
        "label": decision.label or "unknown",
        "bin": decision.bin,
        "reason": str(item.reason),
        "text": translate(REASON_TEXT[item.reason], language),
        "score": round(decision.score, 3) if decision.label else None,
    }
