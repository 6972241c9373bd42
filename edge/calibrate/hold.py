"""Taking the hardware from the service for the time of a measurement, and giving it back."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.errors import CalibrationError, SetupError
from edge.journal.claim import claim_folder
from edge.service.commands import Runner

SERVICE = "sorter.service"


@contextmanager
def service_held(runner: Runner, say: Callable[[str], None]) -> Iterator[None]:
    """Stop the service if it runs, and start it again on every way out.

    Raises:
        SetupError: it runs and can't be stopped.
    """
    if not _is_running(runner):
        yield
        return
    say("the service is stopped while measuring")
    runner.run(["systemctl", "stop", SERVICE])
    try:
        yield
    finally:
        runner.run(["systemctl", "start", SERVICE])
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
    descriptor = claim_folder(folder)
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)
