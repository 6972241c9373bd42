"""Other processes: the system's own programs, and this program again."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from edge.errors import SetupError


class Runner(Protocol):
    """Runs a program to its end."""

    def run(self, command: Sequence[str]) -> str:
        """Return what it printed.

        Raises:
            SetupError: it is missing, failed, or took longer than a minute.
        """
        ...

    def later(self, command: Sequence[str]) -> Callable[[], object]:
        """Have it run when the returned function is called, or this process ends, as whoever this process is now."""
        ...


class SystemRunner:
    """Runs it for real."""

    def run(self, command: Sequence[str]) -> str:
        shown = " ".join(command)
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=120.0, check=False)
        except FileNotFoundError:
            raise SetupError(
                f"{command[0]} is not installed; expected a system with systemd, like Raspberry Pi OS"
            ) from None
        except subprocess.TimeoutExpired:
            raise SetupError(f"`{shown}` did not end within 120 s; try it by hand") from None
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip() or "it said nothing"
            raise SetupError(f"`{shown}` failed with exit code {done.returncode}: {said}")
        return done.stdout

    def later(self, command: Sequence[str]) -> Callable[[], object]:
        if os.geteuid() != 0:
            return lambda: self.run(command)
        # This process will be the owner of the state folder by then (see edge.system.privileges); the one that waits stays root.
        waiting = subprocess.Popen(
            ["/bin/sh", "-c", 'read -r _; exec "$@"', "sh", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

        def run_now() -> None:
            said, _ = waiting.communicate(timeout=120.0)
            if waiting.returncode:
                raise SetupError(f"`{' '.join(command)}` failed: {said.decode(errors='replace').strip()}")

        return run_now


def own_command(module: str, *options: str) -> tuple[str, ...]:
    """Return what runs a module of this program, which finds its modules where this one found them.

    Without -P Python would import from the working folder before anything else: whoever may write there would be run as
    whoever types `sudo sorter ...` in it.
    """
    return (sys.executable, "-P", *options, "-m", module)


def own_environment(**more: str) -> dict[str, str]:
    """Return the environment for it: this process's, its search path, and more."""
    folders = [str(Path(__file__).resolve().parents[2]), *filter(None, sys.path)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(folders), **more}
