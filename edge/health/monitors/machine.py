"""How hot and how throttled the Pi is, and whether its date can be true."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.health.faults import FaultKind
from edge.health.monitors import Observer
from edge.interfaces import Clock

HOT_C = 75.0  # the firmware begins to slow a Pi down at 80 degrees
COOL_C = 70.0
RELEASED = 1_761_955_200.0  # 2025-11-01 in seconds since the epoch: an earlier date is not set

# Bits of `vcgencmd get_throttled`; those 16 places higher say the same of any time since the boot.
_UNDER_VOLTAGE, _CAPPED, _THROTTLED, _SOFT_LIMIT = 0x1, 0x2, 0x4, 0x8

Ask = Callable[[Sequence[str]], str]


@dataclass(frozen=True, slots=True)
class MachineState:
    """One look; None where the machine does not say.

    Attributes:
        temperature_c: the hottest zone of the processor, degrees Celsius.
        throttled: it runs slower than it could, to stay cool.
        load: runnable threads, mean of the last minute.
        memory_available_mb: what can still be given out.
    """

    temperature_c: float | None = None
    throttled: bool | None = None
    under_voltage: bool | None = None
    load: float | None = None
    memory_available_mb: float | None = None
    date_is_set: bool = True


def run_briefly(command: Sequence[str]) -> str:
    """Return what a command prints; empty when it is missing, fails or takes longer than 1 s."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=1.0, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout


@dataclass
class Machine:
    """Reads the state of the machine; a look takes milliseconds, so it is not for the control thread."""

    clock: Clock
    root: Path = Path("/")
    ask: Ask = run_briefly

    def look(self) -> MachineState:
        flags = self.throttling()
        return MachineState(
            temperature_c=self._temperature(),
            throttled=None if flags is None else bool(flags & (_CAPPED | _THROTTLED | _SOFT_LIMIT)),
            under_voltage=None if flags is None else bool(flags & _UNDER_VOLTAGE),
            load=_number(self.root / "proc/loadavg", r"^(\S+)"),
            memory_available_mb=_scaled(_number(self.root / "proc/meminfo", r"MemAvailable:\s+(\d+)"), 1 / 1024),
            date_is_set=self.clock.wall_time() >= RELEASED,
        )

    def _temperature(self) -> float | None:
        zones = (self.root / "sys/class/thermal").glob("thermal_zone*/temp")
        degrees = [value / 1000 for zone in zones if (value := _number(zone, r"^(-?\d+)")) is not None]
        return max(degrees, default=None)

    def throttling(self) -> int | None:
        """Return the firmware's flags, as `vcgencmd get_throttled` prints them; None where it does not tell."""
        for file in (self.root / "sys/devices/platform/soc").glob("*firmware/get_throttled"):
            try:
                return int(file.read_text(), 16)
            except (OSError, ValueError):
                continue
        found = re.search(r"throttled=(0x[0-9a-fA-F]+)", self.ask(["vcgencmd", "get_throttled"]))
        return int(found[1], 16) if found else None


class MachineMonitor(Observer):
    """Says what is wrong by the last look; `look` takes milliseconds, so `refresh` is not for the control thread."""

    kinds = frozenset({FaultKind.HOT, FaultKind.THROTTLED, FaultKind.UNDER_VOLTAGE, FaultKind.CLOCK_UNSET})

    def __init__(self, look: Callable[[], MachineState]) -> None:
        self.state = MachineState()
        self._look = look
        self._is_hot = False

    def refresh(self) -> MachineState:
        """Look anew; hot ends only some degrees below where it began."""
        self.state = self._look()
        temperature = self.state.temperature_c
        self._is_hot = temperature is not None and temperature >= (COOL_C if self._is_hot else HOT_C)
        return self.state

    def faults(self, now: int) -> Iterator[tuple[FaultKind, str]]:
        state = self.state
        found = {
            FaultKind.HOT: self._is_hot,
            FaultKind.THROTTLED: bool(state.throttled),
            FaultKind.UNDER_VOLTAGE: bool(state.under_voltage),
            FaultKind.CLOCK_UNSET: not state.date_is_set,
        }
        yield from ((kind, "") for kind, there in found.items() if there)


def _number(path: Path, pattern: str) -> float | None:
    try:
        found = re.search(pattern, path.read_text(errors="replace"))
        return float(found[1]) if found else None
    except (OSError, ValueError):
        return None


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor
