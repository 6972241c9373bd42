"""The bins one by one: how full and when full, how pure, what is asked of an item for them, and what brings it there."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from edge.clock import NS_PER_S
from edge.config import RESIDUAL, Station
from edge.config.sorting import Bin
from edge.errors import JournalError
from edge.interfaces import Clock
from edge.stats.filling import Rates, rates_of_run, read_rates
from edge.status.live import LiveView
from edge.status.snapshot import Snapshot
from edge.types import StrokeOutcome
from edge.web.station.remembered import Remembered
from edge.web.station.status import count_by_bin, describe_purity, rounded

KEEP_MS: Final = 10_000.0
_WHOLE_S: Final = 2 * 3600.0  # a run that is shorter is all that counts: the journal's hours would hold a pause
_STROKES: Final = (StrokeOutcome.FIRED, StrokeOutcome.CANCELLED, StrokeOutcome.REFUSED, StrokeOutcome.FAILED)


class Bins:
    """Answers about the bins; `journal_path` is where the items of earlier hours are."""

    def __init__(self, live: LiveView, station: Station, journal_path: Path | None, clock: Clock) -> None:
        self._live, self._station, self._clock, self._journal = live, station, clock, journal_path
        self._rates = Remembered(self._read_rates, clock, KEEP_MS)

    def routes(self) -> list[Route]:
        """Return the addresses."""
        return [Route("/api/bins", self.bins)]

    async def bins(self, _request: Request) -> Response:
        """JSON: the bins with level, capacity, rate and when full, purity, thresholds in force, actuator and its strokes."""
        rates = await self._rates.get()
        snapshot = self._live.snapshot()
        return JSONResponse(
            {
                "bins": describe_bins(snapshot, self._station, rates, self._clock.wall_time()),
                "rates_since": as_date(rates.since),
                "min_margin": self._station.deciding.min_margin,
            }
        )

    def _read_rates(self) -> Rates:
        """Return the rates of the last hours, those of this run where it is shorter or the journal can't be read."""
        snapshot, now = self._live.snapshot(), self._clock.wall_time()
        seconds = snapshot.uptime_ns / NS_PER_S
        if self._journal is not None and seconds >= _WHOLE_S:
            try:
                return read_rates(self._journal, now)
            except JournalError:
                pass  # the fault of the disk is told elsewhere
        return rates_of_run(snapshot.counts, seconds, now)


def describe_bins(snapshot: Snapshot, station: Station, rates: Rates, now: float) -> list[dict[str, Any]]:
    """Return what is known of each bin, in the order of the station file."""
    counts = count_by_bin(snapshot)
    return [
        {
            "name": where.name,
            "labels": list(where.labels),
            "enabled": where.enabled,
            "count": counts[where.name],
            "full": where.name in snapshot.full_bins,
            "has_sensor": where.full_pin is not None,
            **_describe_level(where, snapshot, rates, now),
            "purity": describe_purity(snapshot.purity.get(where.name)),
            "thresholds": _thresholds(where, snapshot.thresholds),
            "actuator": _describe_actuator(where, snapshot),
        }
        for where in station.bins
    ]


def as_date(wall_time: float | None) -> str | None:
    """Return seconds since the epoch as ISO 8601 in UTC."""
    return None if wall_time is None else datetime.fromtimestamp(wall_time, UTC).isoformat(timespec="seconds")


def _describe_level(where: Bin, snapshot: Snapshot, rates: Rates, now: float) -> dict[str, Any]:
    held, capacity = snapshot.levels.get(where.name), where.capacity
    full_at = None if held is None or capacity is None else rates.full_at(where.name, held, capacity, now)
    return {
        "level": held,
        "capacity": capacity,
        "emptied_at": as_date(snapshot.emptied_at.get(where.name)),
        "per_hour": rounded(rates.per_hour.get(where.name, 0.0)),
        "full_at": as_date(full_at),
    }


def _thresholds(where: Bin, by_label: Mapping[str, float]) -> dict[str, float | None]:
    """Return how likely it has to be that an item belongs in the bin, by what it is seen as."""
    if where.name == RESIDUAL:
        return {}
    asked = {label: where.min_purity or by_label.get(label) for label in where.labels}
    return {label: rounded(least, 4) for label, least in asked.items()}


def _describe_actuator(where: Bin, snapshot: Snapshot) -> dict[str, Any] | None:
    if where.actuator is None:
        return None
    strokes = {str(outcome): snapshot.strokes.get((where.actuator, outcome), 0) for outcome in _STROKES}
    return {"name": where.actuator, "position": where.position, "strokes": strokes}
