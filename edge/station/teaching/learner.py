"""The station's side of the process that learns: started, followed without waiting, and ended with the station."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from edge.clock import NS_PER_S
from edge.errors import TeachingError
from edge.interfaces import Clock
from edge.system.processes import own_command, own_environment

PROGRAM: Final = own_command("edge.teaching.worker")
LONGEST_NS: Final = 1800 * NS_PER_S
_MOST_BYTES: Final = 1 << 16
"""Of what it says before it ends a line."""


class Learner:
    """At most one process at a time; used by one thread, with which the process ends."""

    def __init__(self, clock: Clock, station_file: Path, state_folder: Path, program: Sequence[str] = PROGRAM) -> None:
        self.task, self.share, self.failure = "", 0.0, ""
        self._clock, self._program = clock, program
        self._place = (str(station_file), str(state_folder))
        self._process: subprocess.Popen[bytes] | None = None
        self._said = bytearray()
        self._begun_at = 0

    @property
    def process(self) -> int | None:
        """The number of the process; None where there is none."""
        return None if self._process is None else self._process.pid

    def begin(self, task: str, given: str) -> None:
        """Start it: "learn" with the name of who wants it, or "install" with the digest of what is wanted.

        Raises:
            TeachingError: it is at work already, or can't be started.
        """
        if self._process is not None:
            raise TeachingError("the station is learning, or installing what it learnt: wait until that is done")
        try:
            self._process = subprocess.Popen(
                [*self._program, task, *self._place, given],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                # Arrays start no threads; each thread's own arena would take 128 MB of the address space.
                env=own_environment(OPENBLAS_NUM_THREADS="1", MALLOC_ARENA_MAX="2"),
                process_group=0,  # Ctrl-C is for the station
            )
        except OSError as error:
            raise TeachingError(f"learning can't be started: {error.strerror}") from None
        assert self._process.stdout is not None
        os.set_blocking(self._process.stdout.fileno(), False)
        self.task, self.share, self.failure = task, 0.0, ""
        self._said.clear()
        self._begun_at = self._clock.now()

    def follow(self) -> bool:
        """Take in what it says; True where it has just come to its end, with `failure` empty if all went well."""
        process = self._process
        if process is None:
            return False
        self._listen(process)
        if self._clock.now() - self._begun_at > LONGEST_NS:
            process.kill()
            self.failure = f"it took longer than {LONGEST_NS // NS_PER_S // 60} minutes and was ended"
        code = process.poll()
        if code is None:
            return False
        self._listen(process)
        if code and not self.failure:
            self.failure = f"the process that learns ended with status {code}; the log says more"
        self.end()
        return True

    def end(self) -> None:
        """End it, whatever it does."""
        process, self._process, self.task = self._process, None, ""
        if process is not None:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        with suppress(BlockingIOError):
            while heard := os.read(process.stdout.fileno(), _MOST_BYTES):
                self._said += heard
                *lines, rest = self._said.split(b"\n")
                self._said = bytearray(rest[-_MOST_BYTES:])
                for line in lines:
                    self._take(line)

    def _take(self, line: bytearray) -> None:
        try:
            told: Any = json.loads(line)
            self.share = float(told.get("share", self.share))
            self.failure = str(told.get("error", self.failure))
        except (ValueError, TypeError, AttributeError):
            return
