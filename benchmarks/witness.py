"""Stalls of the machine itself: on each core a process of the highest priority that only sleeps and looks at the clock.

What stops such a process (a hypervisor that gives the core to others, firmware) stops any program, so a delay that falls
into one of its stalls says nothing of the program that is measured.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field

NAP_NS = 400_000
STALL_NS = 500_000  # later than this out of a nap is a stall

WATCH = f"""
import ctypes, os, sys, time
os.sched_setaffinity(0, {{int(sys.argv[1])}})
try:
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(90))
    ctypes.CDLL(None).mlockall(7)
except OSError:
    pass
late, stalls = [], []
print(flush=True)
while os.getppid() == int(sys.argv[2]) and not os.path.exists(sys.argv[3]):
    for _ in range(250):
        begun = time.monotonic_ns()
        time.sleep({NAP_NS} / 1e9)
        ended = time.monotonic_ns()
        late.append(ended - begun - {NAP_NS})
        if late[-1] > {STALL_NS}:
            stalls.append((begun, ended))
late.sort()
print(len(late), late[-1 - len(late) // 1000], late[-1], *(instant for stall in stalls for instant in stall))
"""


@dataclass
class Witness:
    """Looks on from `begin` to `end`; then knows when the machine stood still."""

    stalls: list[tuple[int, int]] = field(default_factory=list)
    naps: int = 0
    p999_ns: int = 0
    worst_ns: int = 0
    _flag: str = ""
    _watchers: list[subprocess.Popen[str]] = field(default_factory=list)

    def begin(self, flag: str) -> None:
        """Start looking; `flag` is a path that does not exist yet, whose appearance ends it."""
        self._flag = flag
        for core in sorted(os.sched_getaffinity(0)):
            command = [sys.executable, "-c", WATCH, str(core), str(os.getpid()), flag]
            self._watchers.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        for watcher in self._watchers:
            assert watcher.stdout is not None
            watcher.stdout.readline()

    def end(self) -> None:
        """Stop looking and gather what was seen."""
        with open(self._flag, "w", encoding="ascii"):  # noqa: PTH123 - one empty file
            pass
        for watcher in self._watchers:
            count, p999, worst, *instants = map(int, watcher.communicate()[0].split())
            self.naps, self.worst_ns = self.naps + count, max(self.worst_ns, worst)
            self.p999_ns = max(self.p999_ns, p999)
            self.stalls += zip(instants[::2], instants[1::2], strict=True)

    def saw(self, begun: int, ended: int) -> bool:
        """Say whether the machine stood still in that span."""
        return any(start < ended and stop > begun for start, stop in self.stalls)

    def __str__(self) -> str:
        return (
            f"the machine itself: {len(self.stalls)} stalls of more than {STALL_NS / 1e6:g} ms in {self.naps} naps "
            f"on {len(self._watchers)} cores, p99.9 {self.p999_ns / 1e6:.2f} ms, worst {self.worst_ns / 1e6:.1f} ms"
        )
