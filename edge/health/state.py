"""The one state that a station is in, as its operator understands it: a pure function of what is known."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from edge.health.faults import Fault, FaultKind
from edge.types import Severity


class State(StrEnum):
    """The station's state; the first that applies, in this order."""

    ESTOP = "estop"  # the emergency stop was pressed; ends with a deliberate reset only
    STOPPED = "stopped"  # a person stopped it
    FAULT = "fault"  # nothing is fired; someone has to do something
    STARTING = "starting"  # no frame has gone all the way through yet
    DEGRADED = "degraded"  # it sorts, but something is off
    STARVED = "starved"  # it is well, but no items come
    RUNNING = "running"


INHIBITED_STATES = frozenset({State.ESTOP, State.STOPPED, State.FAULT, State.STARTING})


def state_of(faults: Iterable[Fault], *, is_stopped: bool, has_begun: bool, is_starved: bool) -> State:
    """Return the state; `has_begun` says that a frame went all the way through, `is_starved` that no item came for long."""
    there = tuple(faults)
    severities = {fault.spec.severity for fault in there}
    applies = {
        State.ESTOP: any(fault.kind is FaultKind.EMERGENCY_STOP for fault in there),
        State.STOPPED: is_stopped,
        State.FAULT: Severity.FAULT in severities,
        State.STARTING: not has_begun,
        State.DEGRADED: Severity.WARNING in severities,
        State.STARVED: is_starved,
    }
    return next((state for state, true in applies.items() if true), State.RUNNING)
