"""What `sorter check` finds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong (`error`: the station will not run or will sort wrongly) or unwise (`warning`)."""

    severity: Severity
    where: str
    text: str


def error_on_a_pi(root: Path) -> Severity:
    """Return how severe it is that something is lacking which only a Raspberry Pi can have."""
    return "error" if _is_pi(root) else "warning"


def this_machine(root: Path) -> str:
    return "this Raspberry Pi" if _is_pi(root) else "this machine (no Raspberry Pi)"


def _is_pi(root: Path) -> bool:
    try:
        return b"Raspberry Pi" in (root / "proc/device-tree/model").read_bytes()
    except OSError:
        return False
