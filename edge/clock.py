"""The only place that reads time. Everything else is given a Clock."""

from __future__ import annotations

import ctypes
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
# A signal wakes nobody if another thread takes it, or if it comes just before the nap: it is then heard after this.
LONGEST_NAP_S = 0.1


def ms(milliseconds: float) -> int:
    """Return milliseconds as whole nanoseconds."""
    return round(milliseconds * NS_PER_MS)


# systemd-timesyncd's mark that a time server has set the date since the start of the machine.
SYNCHRONISED = Path("/run/systemd/timesync/synchronized")
SUSPENDED_S = 10.0
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TIMEX_BYTES, _TIME_ERROR = 256, 5  # at least struct timex; adjtimex(2)


def _kernel_is_synchronised() -> bool:
    """Say whether anything (chrony, a GPS receiver) keeps the kernel's clock right; False where we may not ask."""
    state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    return 0 <= int(state) < _TIME_ERROR


def present_boot_id() -> str:
    """Return the kernel's id of this boot, which tells the instants of two boots apart; empty where it has none."""
    return _BOOT_ID.read_text().strip() if _BOOT_ID.exists() else ""


def stamp_of(wall_time: float) -> str:
    """Return seconds since the epoch as files and folders are named by it."""
    return datetime.fromtimestamp(wall_time, UTC).strftime("%Y%m%dT%H%M%SZ")


class SystemClock:
    """CLOCK_MONOTONIC: does not jump when the date is set, and is what camera drivers stamp frames with."""

    def now(self) -> int:
        return time.monotonic_ns()

    def wall_time(self) -> float:
        return time.time()

    def date_is_known(self) -> bool:
        return SYNCHRONISED.exists() or _kernel_is_synchronised()

    def was_suspended(self) -> bool:
        return time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic() > SUSPENDED_S

    def sleep_until(self, instant: int, interrupt: threading.Event | None = None) -> bool:
        while (left := instant - time.monotonic_ns()) > 0:
            if interrupt is None:
                time.sleep(min(left / NS_PER_S, LONGEST_NAP_S))
            elif interrupt.wait(left / NS_PER_S):
                return False
        return interrupt is None or not interrupt.is_set()


class VirtualClock:
    """Time that moves only when told to, so that hours of belt pass in seconds and runs repeat exactly."""

    def __init__(self, start: int = NS_PER_S, wall_start: float = 1_767_225_600.0) -> None:
        self.date_known = False
        self._now = start
        self._wall_offset = wall_start - start / NS_PER_S

    def now(self) -> int:
        return self._now

    def date_is_known(self) -> bool:
        return self.date_known

    def was_suspended(self) -> bool:
        return False

    def wall_time(self) -> float:
        return self._wall_offset + self._now / NS_PER_S

    def sleep_until(self, instant: int, interrupt: threading.Event | None = None) -> bool:
        if interrupt is not None and interrupt.is_set():
            return False
        self.advance_to(max(instant, self._now))
        return True

    def advance_to(self, instant: int) -> None:
        """Move to a later instant.

        Raises:
            ValueError: the instant lies in the past.
        """
        if instant < self._now:
            raise ValueError(f"time can't go back. Expected an instant >= {self._now}. Received: {instant}")
        self._now = instant
