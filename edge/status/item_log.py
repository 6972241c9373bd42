"""A line for every item and every stroke, for `sorter run -v`."""

from __future__ import annotations

import logging
from collections import deque

from edge.line import Outcome
from edge.types import Stroke

log = logging.getLogger(__name__)

MOST_WAITING = 1000


class ItemLog:
    """Takes lines from any thread without waiting; a terminal may hold up whoever writes to it, so one thread writes them."""

    def __init__(self) -> None:
        self._waiting: deque[str] = deque(maxlen=MOST_WAITING)

    def record(self, what: Outcome | Stroke) -> None:
        """Take in what was decided of an item, or what became of a stroke."""
        if log.isEnabledFor(logging.DEBUG):
            self._waiting.append(_item_line(what) if isinstance(what, Outcome) else _stroke_line(what))

    def write(self) -> None:
        """Write what was taken in."""
        while self._waiting:
            log.debug("%s", self._waiting.popleft())


def _item_line(outcome: Outcome) -> str:
    decision = outcome.decision
    seen = (
        f"{decision.label} {decision.score:.2f}, margin {decision.margin:.2f}" if decision.label else "not recognised"
    )
    return f"item {decision.item_id}: {seen} -> {decision.bin} ({decision.reason})"


def _stroke_line(stroke: Stroke) -> str:
    items = ", ".join(map(str, stroke.actuation.item_ids))
    return f"item {items}: stroke of {stroke.actuation.actuator} {stroke.outcome}"
