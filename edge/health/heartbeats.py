"""Signs of life of the controller's threads, how long each may stay away, and the faults that its absence means."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from edge.clock import NS_PER_S, ms
from edge.health.faults import FaultKind, Step


class Sign(StrEnum):
    """Signs of life, each given by the thread that it stands for."""

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

    def watchdog_during(self, remedies: Collection[Step | None]) -> int:
        """Return how long systemd shall wait while these are tried.

        A service that is killed in the middle of the tries to reopen its camera takes the page with it.
        """
        recovering = {Step.REOPEN_CAMERA, Step.RESTART_CLASSIFIER}
        return self.watchdog if recovering.isdisjoint(remedies) else self.watchdog_recovering

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
class Signs:
    """When each sign was given last; a sign that is not in `watched` is never missed."""

    started_at: int
    limits: Limits
    watched: frozenset[Sign]
    last: dict[Sign, int] = field(default_factory=dict, init=False)
    begun: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.last = dict.fromkeys(Sign, self.started_at)

    def give(self, sign: Sign, at: int) -> None:
        """Take note of a sign; the first one of a frame that got through begins the run."""
        self.last[sign] = max(at, self.last[sign])
        self.begun = self.begun or sign is Sign.BEAT

    def excuse(self, span: int, at: int) -> None:
        """Count the last `span` nanoseconds as not passed: nobody could give a sign in them."""
        self.last = {sign: min(given + span, at) for sign, given in self.last.items()}

    def are_fresh(self, at: int) -> bool:
        """Say whether a frame got through lately and every watched thread lives."""
        limits = {
            Sign.BEAT: self.limits.stall,
            Sign.ACTUATION: self.limits.actuation,
            Sign.JOURNAL: self.limits.journal_blocked,
        }
        watched = self.watched | {Sign.BEAT}
        return self.begun and all(at - self.last[sign] <= span for sign, span in limits.items() if sign in watched)

    def judge(
        self, at: int, camera_known_since: int | None, camera_lost: bool
    ) -> Iterator[tuple[FaultKind, bool, str]]:
        """Yield (fault, whether it is there, detail) for each sign.

        `camera_known_since` is when the camera itself said that it stalled, `camera_lost` that it is known to be gone.
        """
        last, limits = self.last, self.limits
        stall = limits.stall if self.begun else limits.startup
        unanswered = last[Sign.FRAME] > last[Sign.BEAT]
        yield FaultKind.CLASSIFIER_STUCK, unanswered and at - last[Sign.BEAT] > stall, ""
        silent = at - last[Sign.FRAME] > stall and not unanswered and not camera_lost
        if silent or camera_known_since is None or last[Sign.FRAME] > camera_known_since:
            yield FaultKind.CAMERA_STALLED, silent, ""
        if Sign.ACTUATION in self.watched:
            hung = at - last[Sign.ACTUATION] > limits.actuation
            yield FaultKind.ACTUATOR_HUNG, hung, "no sign of the actuation thread"
        if Sign.JOURNAL in self.watched:
            silence = at - last[Sign.JOURNAL]
            yield FaultKind.JOURNAL_BLOCKED, silence > limits.journal_blocked, ""
            yield FaultKind.JOURNAL_SLOW, limits.journal_slow < silence <= limits.journal_blocked, ""
