"""One at a time teaches a station."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.errors import JournalError, TeachingError
from edge.system.files import claim_folder, make_folder
from edge.teaching.shown import TEACHING_FOLDER


@contextmanager
def teaching_claimed(state_folder: Path) -> Iterator[None]:
    """Keep every other `sorter teach` away from what is shown to a station, until the end or the process's.

    Raises:
        TeachingError: another one is at work, or the folder can't be made or written to.
    """
    folder = state_folder / TEACHING_FOLDER
    try:
        make_folder(folder)
    except OSError as error:
        raise TeachingError(_unusable(folder, error.strerror or "not a folder")) from None
    if not os.access(folder, os.W_OK):
        raise TeachingError(_unusable(folder, "not to be written to"))
    try:
        descriptor = claim_folder(folder)
    except JournalError:
        raise TeachingError(
            f"{folder}: the station is taught already, by `sorter teach` or on its page: wait for that, or end it"
        ) from None
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _unusable(folder: Path, why: str) -> str:
    return (
        f"{folder}: can't be used ({why}): run as the user of the service (sudo -u sorter), or give another folder with "
        "--state-folder"
    )
