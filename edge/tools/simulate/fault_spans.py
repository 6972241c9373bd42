"""Which faults the station raised during a run, from when to when."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from edge.clock import NS_PER_S
from edge.health.faults import SPECS, FaultKind
from edge.types import Event, EventKind

CLEARED = "No longer: "


@dataclass(frozen=True, slots=True)
class FaultSpan:
    """One fault, in seconds after the start; `ended_s` is None where it was still there at the end."""

    kind: FaultKind
    text: str
    raised_s: float
    ended_s: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain values for a JSON object."""
        return {"fault": str(self.kind), "text": self.text, "raised_s": self.raised_s, "ended_s": self.ended_s}

    def __str__(self) -> str:
        end = "the end" if self.ended_s is None else f"{self.ended_s:.1f} s"
        return f"{self.kind}, from {self.raised_s:.1f} s to {end}: {self.text}"


@dataclass
class FaultSpans:
    """Collects the spans from a station's events."""

    started_at: int
    _open: dict[str, FaultSpan] = field(default_factory=dict)
    _ended: list[FaultSpan] = field(default_factory=list)

    def note(self, event: Event) -> None:
        """Take an event in."""
        seconds = round((event.at - self.started_at) / NS_PER_S, 3)
        if event.kind is EventKind.FAULT:
            kind = FaultKind(event.code)
            text = event.text.removesuffix(f" {SPECS[kind].advice}")
            self._open[text] = FaultSpan(kind, text, seconds)
        elif (
            event.kind is EventKind.CLEARED
            and (span := self._open.pop(event.text.removeprefix(CLEARED), None)) is not None
        ):
            self._ended.append(FaultSpan(span.kind, span.text, span.raised_s, seconds))

    @property
    def spans(self) -> tuple[FaultSpan, ...]:
        """Return all of them, in the order in which they began."""
        return tuple(sorted([*self._ended, *self._open.values()], key=lambda span: (span.raised_s, span.text)))
