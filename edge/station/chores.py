"""Slow things that nobody waits for: what outlives the run is kept, and the machine is looked at."""

from __future__ import annotations

import threading

from edge.clock import ms
from edge.health.faults import FaultKind
from edge.station.assembled import AssembledStation
from edge.stats.watch import PurityWatch
from edge.system.files import remove_stale_temp_files

CHORES_MS = 1000.0
LOOK_EVERY = 10  # chores


class Chores:
    """The work of the chores thread, until `stop` is set."""

    def __init__(self, station: AssembledStation, stop: threading.Event) -> None:
        self._station, self._stop = station, stop
        self._purity = _watch_purity(station)

    def run(self) -> None:
        """Do them once a second, and once more at the end."""
        station, clock = self._station, self._station.clock
        if station.environment.state_folder is not None:
            remove_stale_temp_files(station.environment.state_folder)
        count = 0
        while not self._stop.is_set():
            self._keep()
            if self._purity is not None:
                self._purity.look(clock.now())
            if count % LOOK_EVERY == 0:
                station.reporting.live.publish_machine(station.machine.refresh())
                station.reporting.live.publish_appearance(station.drift.appearance)
            count += 1
            clock.sleep_until(clock.now() + ms(CHORES_MS), self._stop)
        self._keep(at_once=True)

    def _keep(self, *, at_once: bool = False) -> None:
        station = self._station
        station.latch.save(any(fault.kind is FaultKind.EMERGENCY_STOP for fault in station.health.faults))
        station.switch.save()
        station.drift.save()
        station.reporting.levels.save(station.clock.now(), at_once=at_once)


def _watch_purity(station: AssembledStation) -> PurityWatch | None:
    """Return what looks for labels of the kept pictures; None where no journal is kept."""
    folder = station.environment.state_folder
    if station.reporting.journal is None or folder is None:
        return None
    return PurityWatch(folder / "journal.db", station.settings.bins, station.reporting.live.publish_purity)
