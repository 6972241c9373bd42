"""How fast bins fill, and when one will be full if it goes on so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge.config import RESIDUAL
from edge.journal.sums import SECONDS
from edge.stats.counts import By, Selection, count_items
from edge.types import Reason

WHOLE_HOURS: Final = 2  # and what has passed of the hour that it is: so many hours say what is usual now
FARTHEST_S: Final = 400 * 24 * 3600.0  # what would be full later than that is not worth a date


@dataclass(frozen=True, slots=True)
class Rates:
    """Items an hour by bin; of bins into which nothing went there is none. `since` is seconds since the epoch."""

    since: float
    per_hour: Mapping[str, float]

    def full_at(self, name: str, held: int, capacity: int, now: float) -> float | None:
        """Return when a bin that holds so many items will be full, seconds since the epoch; None: not in a year."""
        rate = self.per_hour.get(name, 0.0)
        left_s = (capacity - held) * SECONDS / rate if rate > 0 else FARTHEST_S
        return now + max(0.0, left_s) if left_s < FARTHEST_S else None


def rates_of_run(counts: Mapping[tuple[str, Reason], int], seconds: float, now: float) -> Rates:
    """Return the rates of a run that has lasted so long; `counts` is by bin and by what became of its items."""
    hours = max(seconds, 60.0) / SECONDS
    return Rates(now - seconds, {name: count / hours for name, count in _lying(counts).items()})


def read_rates(journal: Path, now: float) -> Rates:
    """Return the rates of the last hours, from a journal's sums.

    Raises:
        JournalError: it is missing, damaged, too new or can't be read.
    """
    since = (now // SECONDS - WHOLE_HOURS) * SECONDS
    counted = count_items({"": journal}, (By.BIN, By.REASON), Selection(since=since, until=now))
    known = {(name, Reason(reason)): n for (name, reason), n in counted.items() if reason in _REASONS}
    hours = (now - since) / SECONDS
    return Rates(since, {name: count / hours for name, count in _lying(known).items()})


_REASONS: Final = frozenset(Reason)


def _lying(counts: Mapping[tuple[str, Reason], int]) -> Counter[str]:
    """Count items by the bin in which they lie: what was not diverted runs on to the last one."""
    lying: Counter[str] = Counter()
    for (name, reason), count in counts.items():
        if name and reason is not Reason.UNDER_WAY:
            lying[RESIDUAL if reason is Reason.NOT_DIVERTED else name] += count
    return lying
