"""Heartbeats of the controller's threads, how long each may stay away, and the faults that its absence means."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from edge.clock import NS_PER_S, ms
from edge.health.faults import FaultKind, RecoveryAction


class Heartbeat(StrEnum):
    """One heartbeat a thread, each given by the thread that it stands for."""

    FRAME = "frame"  # the camera gave a frame
    BEAT = "beat"  # a frame went all the way through
    ACTUATION = "actuation"  # the actuation thread turned once
    JOURNAL = "journal"  # the journal's writer turned once


@dataclass(frozen=True, slots=True)
class Limits:
    """Spans in nanoseconds."""

    stall: int = 3 * NS_PER_S
    actuation: int = 1 * NS_PER_S
    journal_slow: int = 2 * NS_PER_S
    journal_blocked: int = 20 * NS_PER_S  # SD cards have been seen to stall for 7 s and go on
    startup: int = 15 * NS_PER_S  # cameras take seconds to open: until the first frame got through, instead of stall
    starved: int = 600 * NS_PER_S
    watchdog: int = 30 * NS_PER_S
    watchdog_recovering: int = 420 * NS_PER_S  # all tries to reopen a camera take 303 s

    def watchdog_during(self, actions: Collection[RecoveryAction | None]) -> int:
        """Return how long systemd shall wait while these are tried.

        A service that is killed in the middle of the tries to reopen its camera takes the page with it.
        """
        recovering = {RecoveryAction.REOPEN_CAMERA, RecoveryAction.RESTART_CLASSIFIER}
        return self.watchdog if recovering.isdisjoint(actions) else self.watchdog_recovering

    @classmethod
    def of(cls, stall_ms: float, batch_ms: float) -> Limits:
        """Return the limits of a station: a journal that stores rarely is not slow."""
        usual, batch = cls(), ms(batch_ms)
        return cls(
            stall=ms(stall_ms),
            journal_slow=usual.journal_slow + batch,
            journal_blocked=max(usual.journal_blocked, usual.journal_slow + 2 * batch),
        )


@dataclass
class Heartbeats:
    """When each heartbeat was given last; one that is not in `watched` is never missed."""

    started_at: int
    limits: Limits
    watched: frozenset[Heartbeat]
    last: dict[Heartbeat, int] = field(default_factory=dict, init=False)
    begun: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.last = dict.fromkeys(Heartbeat, self.started_at)

    def give(self, heartbeat: Heartbeat, at: int) -> None:
        """Take note of one; the first one of a frame that got through begins the run."""
        self.last[heartbeat] = max(at, self.last[heartbeat])
        self.begun = self.begun or heartbeat is Heartbeat.BEAT

    def credit_lost_time(self, span: int, at: int) -> None:
        """Count the last `span` nanoseconds as not passed: none could be given in them."""
        self.last = {heartbeat: min(given + span, at) for heartbeat, given in self.last.items()}

    def are_fresh(self, at: int) -> bool:
        """Say whether a frame got through lately and every watched thread lives."""
        limits = {
            Heartbeat.BEAT: self.limits.stall,
            Heartbeat.ACTUATION: self.limits.actuation,
            Heartbeat.JOURNAL: self.limits.journal_blocked,
        }
        watched = self.watched | {Heartbeat.BEAT}
        return self.begun and all(
            at - self.last[heartbeat] <= span for heartbeat, span in limits.items() if heartbeat in watched
        )

    def check_timeouts(
        self, at: int, camera_known_since: int | None, camera_lost: bool
    ) -> Iterator[tuple[FaultKind, bool, str]]:
        """Yield (fault, whether it is there, detail) for each heartbeat.

        `camera_known_since` is when the camera itself said that it stalled, `camera_lost` that it is known to be gone.
        """
        last, limits = self.last, self.limits
        stall = limits.stall if self.begun else limits.startup
        unanswered = last[Heartbeat.FRAME] > last[Heartbeat.BEAT]
        # From that frame on: it may be the first one after an outage, or on a slow machine.
        yield FaultKind.CLASSIFIER_STUCK, unanswered and at - last[Heartbeat.FRAME] > stall, ""
        silent = at - last[Heartbeat.FRAME] > stall and not unanswered and not camera_lost
        if silent or camera_known_since is None or last[Heartbeat.FRAME] > camera_known_since:
            yield FaultKind.CAMERA_STALLED, silent, ""
        if Heartbeat.ACTUATION in self.watched:
            hung = at - last[Heartbeat.ACTUATION] > limits.actuation
            yield FaultKind.ACTUATOR_HUNG, hung, "no sign of the actuation thread"
        if Heartbeat.JOURNAL in self.watched:
            silence = at - last[Heartbeat.JOURNAL]
            yield FaultKind.JOURNAL_BLOCKED, silence > limits.journal_blocked, ""
            yield FaultKind.JOURNAL_SLOW, limits.journal_slow < silence <= limits.journal_blocked, ""
