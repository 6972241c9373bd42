"""One station under ever more load: more items a minute, then a faster belt until it no longer keeps up, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from edge.config import Station
from edge.errors import ConfigError
from edge.tools.simulate.build import Conditions, build_virtual_run, run_and_score
from edge.tools.simulate.score import Score
from edge.tools.simulate.simulated_station import Changes, simulated_variant
from edge.types import REASON_TEXT, Reason

RATES: Final = (120.0, 240.0, 480.0)
"""Items a minute that are shown side by side."""
FASTER: Final = 1.5
FASTEST_MM_PER_S: Final = 5000.0
BROKEN: Final = 0.1
"""Share of items lost to a belt that is too fast from which on a station does not keep up."""
# What a belt that is too fast brings about, and not a model that is not sure or two items that came too close.
_TOO_FAST: Final = (Reason.LATE, Reason.NOT_CLASSIFIED, Reason.SLIPPED, Reason.DIVERTER_BUSY, Reason.TOO_CLOSE)


@dataclass(frozen=True)
class Row:
    """One run of the sweep; `trouble` is the cause that took most items, and the share that all causes together took."""

    speed_mm_per_s: float
    items_per_min: float
    score: Score
    trouble: tuple[str, float]

    @property
    def broke(self) -> bool:
        return self.trouble[1] > BROKEN


Play = Callable[[Station], Score]


def play(conditions: Conditions, seconds: float) -> Play:
    """Return what runs a station for so many seconds of its clock."""
    return lambda station: run_and_score(station, build_virtual_run(station, conditions), seconds)


def sweep(station: Station, run: Play) -> Iterator[Row]:
    """Run the station at each rate, then at the middle one on an ever faster belt until it breaks.

    Raises:
        ConfigError: the station has no belt, or none that can carry the least rate.
    """
    if station.belt is None:
        raise ConfigError(f"station {station.name!r} is a bin: a sweep needs a belt")
    speed = station.belt.speed_mm_per_s
    for rate in RATES:
        yield _row(_loaded(station, rate, speed), run)
    while speed < FASTEST_MM_PER_S:
        speed = min(speed * FASTER, FASTEST_MM_PER_S)
        row = _row(_loaded(station, RATES[1], speed), run)
        yield row
        if row.broke:
            return


def explain(rows: Sequence[Row]) -> str:
    """Return a sentence that says at which speed the station broke, and why."""
    last = rows[-1]
    if not last.broke:
        return f"It keeps up at all of these speeds, up to {last.speed_mm_per_s:g} mm/s."
    cause, share = last.trouble
    return f"It breaks at {last.speed_mm_per_s:g} mm/s: {share:.0%} of the items are lost, most because {cause}."


def _loaded(station: Station, rate: float, speed: float) -> Station:
    return simulated_variant(station, Changes(items_per_min=rate, speed_mm_per_s=speed))


def _row(station: Station, run: Play) -> Row:
    score = run(station)
    speed = 0.0 if station.belt is None else station.belt.speed_mm_per_s
    return Row(speed, station.simulation.items_per_min, score, _trouble(score))


def _trouble(score: Score) -> tuple[str, float]:
    counts = {REASON_TEXT[reason]: score.reasons.get(reason.value, 0) for reason in _TOO_FAST}
    counts["they were not seen, or seen twice"] = score.missed + score.doubled + score.phantom
    counts["they landed elsewhere than decided"] = score.mis_timed
    cause = max(counts, key=counts.__getitem__)
    return cause, sum(counts.values()) / max(1, score.items)
