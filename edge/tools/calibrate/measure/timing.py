"""What the different ways of timing a diverter have in common."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from edge.types import Image

Means = Literal["camera", "exit-sensor", "steps"]


@dataclass
class Measured:
    """How long one actuator takes; `return_ms` is None where it could not be measured."""

    lead_ms: float
    spread_ms: float
    return_ms: float | None
    repeats: int
    measured_with: Means
    known_to_ms: float = 0.0
    warnings: list[str] = field(default_factory=list)
    pictures: dict[str, Image] = field(default_factory=dict)
