"""What state the station is in, as its operator understands it: a machine on instants, without clock, threads or I/O.

Whatever can go wrong is reported here (`raise_fault`) or noticed here (`tick`, from signs of life that
stay away). A fault of severity FAULT holds every stroke. The watchdog may be fed only while frames go
all the way through and every thread shows life.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from edge.health.faults import NATURES, FaultKind, Nature, Step
from edge.health.heartbeats import Limits, Sign, Signs
from edge.health.retry import Backoff, Record
from edge.types import Event, EventKind, Severity


class State(StrEnum):
    """The station's state; the first that applies, in the order of `Health.state`."""

    ESTOP = "estop"  # the emergency stop was pressed; ends with a deliberate reset only
    STOPPED = "stopped"  # a person stopped it
    FAULT = "fault"  # nothing is fired; someone has to do something
    STARTING = "starting"  # no frame has gone all the way through yet
    DEGRADED = "degraded"  # it sorts, but something is off
    STARVED = "starved"  # it is well, but no items come
    RUNNING = "running"


HELD_STATES = frozenset({State.ESTOP, State.STOPPED, State.FAULT, State.STARTING})
_SEVERITY = {State.FAULT: Severity.FAULT, State.ESTOP: Severity.FAULT, State.DEGRADED: Severity.WARNING}

ENDED_BY_RESET = frozenset(
    {
        FaultKind.EMERGENCY_STOP,
        FaultKind.JAM,  # a jam sensor that is still blocked raises it again
        FaultKind.MODEL_DAMAGED,
        FaultKind.CALIBRATION_DAMAGED,
        FaultKind.JOURNAL_DAMAGED,
        FaultKind.BIN_LEVELS_DAMAGED,
    }
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault that is there now; `detail` names the bin, pin or file."""

    kind: FaultKind
    raised_at: int
    detail: str

    @property
    def nature(self) -> Nature:
        return NATURES[self.kind]

    @property
    def text(self) -> str:
        return f"{self.nature.sentence} ({self.detail})" if self.detail else self.nature.sentence


_Key = tuple[FaultKind, str]  # kind and detail


@dataclass
class Health:
    """The state of one station.

    Any thread may call any method; none waits for longer than a few dictionary look-ups take.

    Attributes:
        watched: the threads whose life counts; one that is not in it is never missed.
        estopped: true when an earlier run ended in an emergency stop that nobody has reset.
        paused_by: who stopped the station; empty: nobody.
    """

    started_at: int
    limits: Limits = field(default_factory=Limits)
    backoff: Backoff = field(default_factory=Backoff)
    watched: frozenset[Sign] = frozenset({Sign.ACTUATION, Sign.JOURNAL})
    estopped: bool = False
    paused_by: str = ""

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self._signs = Signs(self.started_at, self.limits, self.watched)
        self._faults: dict[_Key, Fault] = {}
        self._leaving: dict[_Key, int] = {}
        self._records: dict[_Key, Record] = {}
        self._events: list[Event] = []
        self._counts: Counter[FaultKind] = Counter()
        self._steps: Counter[Step] = Counter()
        self._stopped = False
        self._chain_open = False
        self._at = self._item_at = self.started_at
        self._reported = State.STARTING
        if self.estopped:
            self._raise(FaultKind.EMERGENCY_STOP, self.started_at, "before the restart")
        if self.paused_by:
            text = f"Stopped by {self.paused_by}; `sorter resume` lets it go on."
            self._note(EventKind.PAUSE, self.started_at, text, Severity.WARNING, EventKind.PAUSE)
            self._report_state(self.started_at)

    # --- what is told -------------------------------------------------------------------------------------------

    def sign(self, sign: Sign, at: int) -> None:
        """Take note of a sign of life."""
        with self._lock:
            self._signs.give(sign, at)

    def beat(self, at: int) -> None:
        """A frame went all the way through."""
        with self._lock:
            self.sign(Sign.FRAME, at)
            self.sign(Sign.BEAT, at)

    def excuse(self, span: int, at: int) -> None:
        """Count the last `span` nanoseconds as not passed: the machine did not let this program run."""
        with self._lock:
            self._signs.excuse(span, at)

    def item_seen(self, at: int) -> None:
        """An item came, whatever became of it."""
        with self._lock:
            self._item_at = max(at, self._item_at)
            self._at = max(at, self._at)

    def raise_fault(self, kind: FaultKind, at: int, detail: str = "") -> None:
        """Report a fault; again is harmless. Faults of one kind with other details stand side by side."""
        with self._lock:
            if kind is FaultKind.EMERGENCY_STOP:
                self.estop(at)
            else:
                self._raise(kind, at, detail)

    def clear_fault(self, kind: FaultKind, at: int, detail: str | None = None) -> None:
        """Report that a fault is over: the one with that detail, or all of its kind; never an emergency stop.

        One that came back lately stays a while longer, so that a loose contact does not flap.
        """
        with self._lock:
            if kind is not FaultKind.EMERGENCY_STOP:
                self._clear(kind, at, detail)

    def set_faults(self, kinds: frozenset[FaultKind], there: frozenset[FaultKind], at: int) -> None:
        """Report which of the kinds are there; those that are not are over."""
        for kind in kinds:
            self._set(kind, at, kind in there)

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
                self._note(
                    EventKind.ESTOP, at, "The emergency stop button was released; waiting for reset.", Severity.WARNING
                )

    def reset(self, at: int) -> bool:
        """Take a person's deliberate reset; False, and nothing changes, while the chain is still open."""
        with self._lock:
            if self._chain_open:
                self._note(
                    EventKind.RESET, at, "Reset refused: the emergency stop button is still pressed.", Severity.WARNING
                )
                return False
            for key in [key for key in self._faults if key[0] in ENDED_BY_RESET]:
                self._note(EventKind.RESET, at, f"A person's reset ends: {key[0]}.", Severity.WARNING)
                self._remove(key, at)
            return True

    def stop(self, at: int) -> None:
        """The run ends."""
        with self._lock:
            self._stopped = True
            self._report_state(at)

    def pause(self, at: int, by: str) -> None:
        """A person stops the station; again is harmless."""
        with self._lock:
            if not self.paused_by:
                self.paused_by = by
                self._note(EventKind.PAUSE, at, f"Stopped by {by}.", Severity.WARNING, EventKind.PAUSE)
            self._report_state(at)

    def resume(self, at: int, by: str) -> None:
        """A person lets the station go on; ends no fault and no emergency stop."""
        with self._lock:
            if self.paused_by:
                self.paused_by = ""
                self._note(EventKind.RESUME, at, f"Resumed by {by}.", Severity.WARNING, EventKind.RESUME)
            self._report_state(at)

    # --- what is asked ------------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """The state as of the latest instant that anything told."""
        with self._lock:
            severities = {fault.nature.severity for fault in self._faults.values()}
            applies = {
                State.ESTOP: any(kind is FaultKind.EMERGENCY_STOP for kind, _ in self._faults),
                State.STOPPED: self._stopped or bool(self.paused_by),
                State.FAULT: Severity.FAULT in severities,
                State.STARTING: not self._signs.begun,
                State.DEGRADED: Severity.WARNING in severities,
                State.STARVED: self._at - self._item_at >= self.limits.starved,
            }
            return next((state for state, true in applies.items() if true), State.RUNNING)

    @property
    def held(self) -> bool:
        """Whether every actuator has to stay in its safe position."""
        return self.state in HELD_STATES

    @property
    def faults(self) -> Sequence[Fault]:
        """What is wrong now, worst first, then oldest first."""
        with self._lock:
            there = list(self._faults.values())
        return sorted(there, key=lambda fault: (not fault.nature.holds, fault.raised_at, fault.kind, fault.detail))

    @property
    def counts(self) -> Mapping[FaultKind, int]:
        """How often each kind of fault was raised since the start."""
        with self._lock:
            return Counter(self._counts)

    @property
    def step_counts(self) -> Mapping[Step, int]:
        """How often each recovery step was due since the start."""
        with self._lock:
            return Counter(self._steps)

    def watchdog_due(self, at: int) -> bool:
        """Say whether systemd's watchdog may be fed: a frame got through lately and every watched thread lives."""
        with self._lock:
            return self._signs.are_fresh(at)

    def watchdog_span(self) -> int:
        """Return how long systemd shall wait for the watchdog, nanoseconds: longer while a camera is being reopened.

        Without that the service would be killed in the middle of the tries, and the page with it.
        """
        with self._lock:
            remedies = {fault.nature.remedy for fault in self._faults.values()}
        recovering = remedies & {Step.REOPEN_CAMERA, Step.RESTART_CLASSIFIER}
        return self.limits.watchdog_recovering if recovering else self.limits.watchdog

    # --- what is done -------------------------------------------------------------------------------------------

    def tick(self, at: int) -> Sequence[Event]:
        """Look for signs that stay away; return what changed since the last tick, for the journal."""
        with self._lock:
            self._look(at)
            for key in [key for key, gone_at in self._leaving.items() if at >= gone_at]:
                self._remove(key, at)
            self._records = {key: record for key, record in self._records.items() if not record.is_calm(at)}
            self._report_state(at)
            events, self._events = self._events, []
        return events

    def take_steps(self, at: int) -> Sequence[tuple[FaultKind, Step]]:
        """Return the recovery steps that are due; each is returned once, and the next after a longer wait."""
        due = []
        with self._lock:
            for key, fault in self._faults.items():
                step = self._records[key].next_step(fault.nature, at)
                if step is not None:
                    due.append((fault.kind, step))
                    self._steps[step] += 1
                    text = f"Trying {step} against {fault.kind} (try {self._records[key].tries})."
                    self._note(EventKind.RECOVERY, at, text, Severity.WARNING, fault.kind)
        return due

    def _look(self, at: int) -> None:
        known = self._faults.get((FaultKind.CAMERA_STALLED, ""))
        lost = any(kind is FaultKind.CAMERA_LOST for kind, _ in self._faults)
        for kind, there, detail in self._signs.judge(at, None if known is None else known.raised_at, lost):
            self._set(kind, at, there, detail)

    def _set(self, kind: FaultKind, at: int, there: bool, detail: str = "") -> None:
        with self._lock:
            if there:
                self._raise(kind, at, detail)
            else:
                self._clear(kind, at, detail)

    def _raise(self, kind: FaultKind, at: int, detail: str) -> None:
        key = (kind, detail)
        came_back = self._leaving.pop(key, None) is not None
        if key in self._faults and not came_back:
            return
        self._counts[kind] += 1
        self._records.setdefault(key, Record(self.backoff)).note_raised(at)
        if key not in self._faults:
            self._faults[key] = fault = Fault(kind, at, detail)
            self._note(EventKind.FAULT, at, f"{fault.text} {fault.nature.advice}", fault.nature.severity, kind)
        self._report_state(at)

    def _clear(self, kind: FaultKind, at: int, detail: str | None) -> None:
        for key in [key for key in self._faults if key[0] is kind and detail in (None, key[1])]:
            linger = self._records[key].linger
            if linger:
                self._leaving.setdefault(key, at + linger)
            else:
                self._remove(key, at)

    def _remove(self, key: _Key, at: int) -> None:
        self._leaving.pop(key, None)
        fault = self._faults.pop(key)
        self._records[key].cleared_at = at
        self._note(EventKind.CLEARED, at, f"No longer: {fault.text}", Severity.NOTE, fault.kind)
        self._report_state(at)

    def _report_state(self, at: int) -> None:
        self._at = max(at, self._at)
        state = self.state
        if state is not self._reported:
            self._note(EventKind.STATE, at, f"{self._reported} -> {state}", _SEVERITY.get(state, Severity.NOTE), state)
            self._reported = state

    def _note(self, kind: EventKind, at: int, text: str, severity: Severity, code: str = "") -> None:
        self._events.append(Event(kind, at, text, severity, str(code)))
