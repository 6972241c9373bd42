"""What watches a station for faults: each monitor knows its own few kinds, is told what goes on, and is asked ten times a second."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Protocol, runtime_checkable

from edge.devices.gpio.inputs import Edge
from edge.errors import CameraError
from edge.health.faults import FaultKind
from edge.line import Outcome
from edge.types import Event, Frame, Stroke


@runtime_checkable
class Monitor(Protocol):
    """Says what is wrong now; whatever of its kinds it does not name is over.

    No other monitor of a station has one of its kinds. It raises nothing and is given no Health.
    """

    @property
    def kinds(self) -> frozenset[FaultKind]: ...

    def faults(self, now: int) -> Iterable[tuple[FaultKind, str]]:
        """Return the faults that are there at this instant, each with its detail: the bin, the pin; may be empty."""
        ...


class Observer:
    """Is told what goes on at a station; whoever wants to know implements the method, and returns from it at once."""

    def on_frame(self, frame: Frame, now: int) -> None:
        """A frame came and is looked at next; called by the vision thread."""

    def on_camera_failed(self, error: CameraError) -> None:
        """The camera gives no frames; called by the vision thread."""

    def on_outcome(self, outcome: Outcome, now: int) -> None:
        """An item was decided, and its stroke is planned next; called by the vision thread."""

    def on_stroke(self, stroke: Stroke) -> None:
        """A stroke ended, one way or the other; called by the thread that ended it."""

    def on_edge(self, edge: Edge) -> None:
        """A sensor's input changed, or was active from the start; called by the pins' own thread."""

    def on_event(self, event: Event) -> None:
        """The station's state has changed in a way that is recorded; called by the supervising thread."""

    def on_stall(self, span: int, now: int) -> None:
        """The machine did not let this program run for so many nanoseconds; called by the supervising thread."""

    def on_state(self, inhibited: bool, faults: Collection[FaultKind]) -> None:
        """Comes before each question for faults: whether everything is held, and what is wrong by now."""

    def on_reset(self, *, after_stop: bool) -> None:
        """A person has pressed reset, `after_stop` to end an emergency stop; called by the supervising thread."""


class Observers(Observer):
    """Passes what goes on to each of several observers, in their order."""

    def __init__(self, each: Sequence[Observer]) -> None:
        self._each = tuple(each)

    def on_frame(self, frame: Frame, now: int) -> None:
        for observer in self._each:
            observer.on_frame(frame, now)

    def on_camera_failed(self, error: CameraError) -> None:
        for observer in self._each:
            observer.on_camera_failed(error)

    def on_outcome(self, outcome: Outcome, now: int) -> None:
        for observer in self._each:
            observer.on_outcome(outcome, now)

    def on_stroke(self, stroke: Stroke) -> None:
        for observer in self._each:
            observer.on_stroke(stroke)

    def on_edge(self, edge: Edge) -> None:
        for observer in self._each:
            observer.on_edge(edge)

    def on_event(self, event: Event) -> None:
        for observer in self._each:
            observer.on_event(event)

    def on_stall(self, span: int, now: int) -> None:
        for observer in self._each:
            observer.on_stall(span, now)

    def on_state(self, inhibited: bool, faults: Collection[FaultKind]) -> None:
        for observer in self._each:
            observer.on_state(inhibited, faults)

    def on_reset(self, *, after_stop: bool) -> None:
        for observer in self._each:
            observer.on_reset(after_stop=after_stop)
