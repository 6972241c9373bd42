"""What is wrong with a station, what is tried against it, and the state that follows: without clock, threads or I/O.

Monitors are asked ten times a second and reported here (`report`); what can't wait is told at once (`raise_fault`); signs
of life that stay away are noticed here (`tick`). A fault of severity FAULT holds every stroke. The watchdog may be fed
only while frames go all the way through and every thread shows life.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import InitVar, dataclass, field

from edge.health.events import HealthEvents
from edge.health.faults import Fault, FaultKind, RecoveryAction
from edge.health.heartbeats import Heartbeat, Heartbeats, Limits
from edge.health.hold import Hold
from edge.health.registry import FaultRegistry
from edge.health.retry import Backoff, RetryPlanner
from edge.health.state import INHIBITED_STATES, State, state_of
from edge.types import Event, EventKind, Severity

# Monitors whose faults last until somebody has seen to them end them with a reset too; it raises what is still there again.
ENDED_BY_RESET = frozenset(
    {
        FaultKind.EMERGENCY_STOP,
        FaultKind.JAM,
        FaultKind.MODEL_DAMAGED,
        FaultKind.CALIBRATION_DAMAGED,
        FaultKind.JOURNAL_DAMAGED,
        FaultKind.BIN_LEVELS_DAMAGED,
    }
)
_SEVERITY = {State.FAULT: Severity.FAULT, State.ESTOP: Severity.FAULT, State.DEGRADED: Severity.WARNING}


@dataclass
class Health:
    """The state of one station; any thread may call any method, and none waits longer than a few dictionary look-ups.

    Attributes:
        watched: the threads whose life counts; one that is not in it is never missed.
        estopped: true when an earlier run ended in an emergency stop that no person has reset.
        paused_by: who stopped the station in an earlier run, and nobody let it go on; empty: no person.
    """

    started_at: int
    limits: Limits = field(default_factory=Limits)
    backoff: Backoff = field(default_factory=Backoff)
    watched: frozenset[Heartbeat] = frozenset({Heartbeat.ACTUATION, Heartbeat.JOURNAL})
    estopped: bool = False
    paused_by: InitVar[str] = ""

    def __post_init__(self, paused_by: str) -> None:
        self._lock = threading.RLock()
        self.heartbeats = Heartbeats(self.started_at, self.limits, self.watched)
        self.retries = RetryPlanner(self.backoff)
        self._events = HealthEvents()
        self.hold = Hold(self._events, paused_by, self.started_at)
        self._registry = FaultRegistry(self.retries, self._events)
        self._stopped = self._chain_open = False
        self._at = self._item_at = self.started_at
        self._reported = State.STARTING
        if self.estopped:
            self._raise(FaultKind.EMERGENCY_STOP, self.started_at, "before the restart")
        self._report_state(self.started_at)

    def heartbeat(self, heartbeat: Heartbeat, at: int) -> None:
        """Take note of a heartbeat."""
        with self._lock:
            self.heartbeats.give(heartbeat, at)

    def beat(self, at: int) -> None:
        """A frame went all the way through."""
        with self._lock:
            self.heartbeat(Heartbeat.FRAME, at)
            self.heartbeat(Heartbeat.BEAT, at)

    def credit_lost_time(self, span: int, at: int) -> None:
        """Count the last `span` nanoseconds as not passed: the machine did not let this program run."""
        with self._lock:
            self.heartbeats.credit_lost_time(span, at)

    def item_seen(self, at: int) -> None:
        """An item came, whatever became of it."""
        with self._lock:
            self._item_at, self._at = max(at, self._item_at), max(at, self._at)

    def report(self, kinds: frozenset[FaultKind], faults: Iterable[tuple[FaultKind, str]], at: int) -> None:
        """Take over what a monitor says: of its kinds these faults are there, and all others are over."""
        with self._lock:
            there = set(faults)
            for kind, detail in sorted(there):
                self._raise(kind, at, detail)
            for kind in kinds:
                self._clear(kind, at, keep={detail for other, detail in there if other is kind})

    def raise_fault(self, kind: FaultKind, at: int, detail: str = "") -> None:
        """Report a fault that can't wait; again is harmless. Faults of one kind with other details stand side by side."""
        with self._lock:
            if kind is FaultKind.EMERGENCY_STOP:
                self.estop(at)
            else:
                self._raise(kind, at, detail)

    def clear_fault(self, kind: FaultKind, at: int, detail: str | None = None) -> None:
        """Report that a fault is over: the one with that detail, or all of its kind; never an emergency stop."""
        with self._lock:
            if kind is not FaultKind.EMERGENCY_STOP:
                self._clear(kind, at, only=detail)

    def estop(self, at: int) -> None:
        """The emergency stop chain opened."""
        with self._lock:
            self._chain_open = True
            self._raise(FaultKind.EMERGENCY_STOP, at, "")

    def chain_closed(self, at: int) -> None:
        """The button was released; the station stays stopped until a reset."""
        with self._lock:
            if self._chain_open:
                self._chain_open = False
                self._events.person(EventKind.ESTOP, "The emergency stop button was released; waiting for reset.", at)

    def reset(self, at: int) -> bool:
        """Take a person's deliberate reset; False, and nothing changes, while the chain is still open."""
        with self._lock:
            if self._chain_open:
                self._events.person(EventKind.RESET, "Reset refused: the emergency stop button is still pressed.", at)
                return False
            self._registry.reset(ENDED_BY_RESET, at)
            self._report_state(at)
            return True

    def stop(self, at: int) -> None:
        """The run ends."""
        with self._lock:
            self._stopped = True
            self._report_state(at)

    def pause(self, at: int, by: str) -> None:
        """A person stops the station; again is harmless. Ends teaching: what stays is this person's stop."""
        with self._lock:
            self.hold.pause(at, by)
            self._report_state(at)

    def resume(self, at: int, by: str) -> None:
        """A person lets the station go on; ends no fault and no emergency stop."""
        with self._lock:
            self.hold.resume(at, by)
            self._report_state(at)

    def teach(self, by: str) -> bool:
        """Stop the station for a person who teaches it; False, and nothing changes, where a person stopped it otherwise."""
        with self._lock:
            return self.hold.teach(by)

    def person_did(self, kind: EventKind, text: str, at: int) -> None:
        """Have the next tick tell what a person did that changes no state."""
        with self._lock:
            self._events.person(kind, text, at)

    @property
    def state(self) -> State:
        """The state as of the latest instant that anything told."""
        with self._lock:
            return state_of(
                self._registry.there,
                is_stopped=self._stopped or bool(self.hold.paused_by),
                has_begun=self.heartbeats.begun,
                is_starved=self._at - self._item_at >= self.limits.starved,
            )

    @property
    def inhibited(self) -> bool:
        """Whether every actuator has to stay in its safe position."""
        return self.state in INHIBITED_STATES

    @property
    def faults(self) -> Sequence[Fault]:
        """What is wrong now, worst first, then oldest first."""
        with self._lock:
            return sorted(self._registry.there, key=_rank)

    @property
    def counts(self) -> Mapping[FaultKind, int]:
        """How often each kind of fault was raised since the start."""
        with self._lock:
            return Counter(self._registry.counts)

    def watchdog_due(self, at: int) -> bool:
        """Say whether systemd's watchdog may be fed: a frame got through lately and every watched thread lives."""
        with self._lock:
            return self.heartbeats.are_fresh(at)

    def watchdog_span(self) -> int:
        """Return how long systemd shall wait for the watchdog, nanoseconds: longer while camera or model is reopened."""
        return self.limits.watchdog_during({fault.spec.action for fault in self.faults})

    def tick(self, at: int) -> Sequence[Event]:
        """Look for signs that stay away; return what changed since the last tick, for the journal."""
        with self._lock:
            self._look(at)
            self._registry.let_leave(at)
            self.retries.forget_old(at)
            self._report_state(at)
            return self._events.take()

    def due_actions(self, at: int) -> Sequence[tuple[FaultKind, RecoveryAction]]:
        """Return the recovery steps that are due; each is returned once, and the next after a longer wait."""
        with self._lock:
            return self._registry.due_actions(at)

    def _look(self, at: int) -> None:
        known = self._registry.find(FaultKind.CAMERA_STALLED, "")
        lost = self._registry.has(FaultKind.CAMERA_LOST)
        for kind, there, detail in self.heartbeats.check_timeouts(at, None if known is None else known.raised_at, lost):
            if there:
                self._raise(kind, at, detail)
            else:
                self._clear(kind, at, only=detail)

    def _raise(self, kind: FaultKind, at: int, detail: str) -> None:
        if self._registry.add(kind, at, detail):
            self._report_state(at)

    def _clear(self, kind: FaultKind, at: int, keep: Collection[str] = (), only: str | None = None) -> None:
        if self._registry.clear(kind, at, keep, only):
            self._report_state(at)

    def _report_state(self, at: int) -> None:
        self._at = max(at, self._at)
        state = self.state
        if state is not self._reported:
            self._events.changed(self._reported, state, _SEVERITY.get(state, Severity.NOTE), at)
            self._reported = state


def _rank(fault: Fault) -> tuple[bool, int, str, str]:
    return not fault.spec.inhibits, fault.raised_at, fault.kind, fault.detail
