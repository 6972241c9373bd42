"""What `sorter check` finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong (`error`: the station will not run or will sort wrongly) or unwise (`warning`)."""

    severity: Severity
    where: str
    text: str
