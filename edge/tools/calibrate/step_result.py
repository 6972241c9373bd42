"""What one step of calibrating brings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edge.types import Image


@dataclass(frozen=True)
class Outcome:
    """The result of one step.

    Attributes:
        changes: fields of `Calibration` that it sets.
        lines: what was measured, one plain sentence each.
        warnings: what works but could be better, and how.
        pictures: what it looked like, by file name without suffix.
        files: reports, by file name.
    """

    changes: Mapping[str, Any]
    lines: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    pictures: Mapping[str, Image] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
