"""Taking the hardware from the service for the time of a measurement, and giving it back."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.errors import CalibrationError, SetupError
from edge.system.files import claim_folder
from edge.system.processes import Runner
from edge.system.signals import undisturbed

SERVICE = "sorter.service"
# For the file, its pictures and the samples of the thresholds.
LEAST_FREE = 50_000_000


@contextmanager
def service_paused(runner: Runner, say: Callable[[str], None]) -> Iterator[None]:
    """Stop the service if it runs, and start it again on every way out, Ctrl-C pressed twice included.

    Raises:
        SetupError: it runs and can't be stopped.
    """
    if not _is_running(runner):
        yield
        return
    start = runner.later(["systemctl", "start", SERVICE])
    try:
        say("the service is stopped while measuring")
        runner.run(["systemctl", "stop", SERVICE])
        yield
    finally:
        with undisturbed():
            start()
        say("the service runs again")


def _is_running(runner: Runner) -> bool:
    try:
        return runner.run(["systemctl", "is-active", SERVICE]).strip() == "active"
    except SetupError:  # no systemd, no such unit, or it is not active
        return False


@contextmanager
def folder_claimed(folder: Path) -> Iterator[None]:
    """Keep every other sorter away from the station's state folder.

    Raises:
        JournalError: a sorter is running on it.
        CalibrationError: it can't be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CalibrationError(
            f"{folder}: can't be made ({error.strerror}): run as the user of the service (sudo -u sorter), or give "
            "another one with --state-folder"
        ) from None
    _refuse_unwritable(folder)
    descriptor = claim_folder(folder)
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _refuse_unwritable(folder: Path) -> None:
    """Say before the work, and not after it, that its result can't be kept."""
    if not os.access(folder, os.W_OK):
        raise CalibrationError(
            f"{folder}: can't be written to: run as the user of the service (sudo -u sorter), or give another one with "
            "--state-folder"
        )
    if (free := shutil.disk_usage(folder).free) < LEAST_FREE:
        raise CalibrationError(
            f"{folder}: {free / 1e6:.0f} MB are free on this disk, at least {LEAST_FREE / 1e6:.0f} MB are needed: make room first"
        )
