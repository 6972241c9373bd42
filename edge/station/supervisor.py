"""Looks after a station ten times a second: asks every monitor, follows the state, says what is to be tried.

Starts no thread itself: `edge/station/runtime.py` lets it tick in real time, `edge/tools/simulate/` on a virtual clock.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from edge.clock import ms
from edge.health.faults import FaultKind, RecoveryAction
from edge.health.health import Health
from edge.health.heartbeats import Heartbeat
from edge.health.monitors import Monitor, Observer
from edge.policy import Policy
from edge.station.recorder import Recorder
from edge.station.safe_state import SafeState
from edge.station.station_io import StationIO
from edge.station.teaching.lesson import Lesson
from edge.system.systemd_notify import Notifier

log = logging.getLogger(__name__)

# Ticks come every 100 ms. What is missing beyond this, every thread of a starved machine may have missed.
LATE_TICK_NS = ms(300)


@dataclass
class Supervisor:
    """One station's keeper; `observer` passes on to all that want to know what goes on."""

    health: Health
    monitors: Sequence[Monitor]
    observer: Observer
    recorder: Recorder
    station_io: StationIO
    safe_state: SafeState
    policy: Policy
    lesson: Lesson
    notifier: Notifier
    _ticked_at: int | None = field(default=None, init=False)

    def tick(self, now: int) -> Sequence[tuple[FaultKind, RecoveryAction]]:
        """Look at everything once; return what has to be tried now, and against what."""
        self._discount_stall(now)
        self.health.heartbeat(Heartbeat.JOURNAL, self.recorder.turned_at)
        self.station_io.poll(now)
        self.observer.on_state(self.health.inhibited, {fault.kind for fault in self.health.faults})
        for monitor in self.monitors:
            self.health.report(monitor.kinds, monitor.faults(now), now)
        self.publish(now)
        self.safe_state.follow(now, self.lesson)
        full = {fault.detail for fault in self.health.faults if fault.kind is FaultKind.BIN_FULL}
        self.policy.restrict(inhibited=self.health.inhibited, full=full)
        steps = self.health.due_actions(now)
        if self.health.watchdog_due(now):
            self.notifier.feed_watchdog(now)
        return steps

    def publish(self, now: int) -> None:
        """Tell the log, the journal, the page and systemd what has changed."""
        for event in self.health.tick(now):
            self.observer.on_event(event)
        state, faults = self.health.state, self.health.faults
        self.recorder.publish(state, faults, self.health.hold)
        self.notifier.status(f"{state}: {faults[0].text} {faults[0].spec.advice}" if faults else str(state))
        self.notifier.set_watchdog_span(self.health.watchdog_span())

    def _discount_stall(self, now: int) -> None:
        """Blame neither camera nor model nor belt for time in which this program itself was not let run."""
        lost = 0 if self._ticked_at is None else now - self._ticked_at - LATE_TICK_NS
        self._ticked_at = now
        if lost > 0:
            log.debug("the machine was too busy for %d ms", lost / ms(1))
            self.health.credit_lost_time(lost, now)
            self.observer.on_stall(lost, now)
