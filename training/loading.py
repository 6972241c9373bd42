"""What the commands of this package share: heavy packages load inside them only, and a full disk is said as such."""

from __future__ import annotations

import contextlib
import errno
import importlib
import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edge.errors import ConfigError, SetupError
from edge.system.output import silence_native_logs


def load(module: str, extra: str = "training") -> Any:
    """Import a module of this package, or say which extra is missing."""
    silence_native_logs()
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] in ("edge", "training", "converter"):
            raise
        raise _missing(error.name, extra) from None


def need(package: str) -> None:
    """Say that the training extra is missing before anything else is looked at; nothing is loaded."""
    if importlib.util.find_spec(package) is None:
        raise _missing(package, "training")


def _missing(package: str | None, extra: str) -> SetupError:
    doing = "training" if extra == "training" else "converting"
    return SetupError(f"{doing} needs {package}: pip install 'edge-sorter[{extra}]'")


@contextlib.contextmanager
def disk_full_is_said(folder: Path) -> Iterator[None]:
    """Turn "no space left" into a sentence; what was finished stays, so the same command goes on later."""
    try:
        yield
    except Exception as error:  # HDF5 and TensorFlow say it in errors of their own
        if getattr(error, "errno", None) not in (errno.ENOSPC, errno.EDQUOT) and "No space left" not in str(error):
            raise
        raise ConfigError(f"{folder}: the disk is full: make room and give the same command again") from None


def make_folder(folder: Path, option: str) -> None:
    """Make the folder of a result, which an option names, before minutes are spent on it.

    Raises:
        ConfigError: it can't be made, or nothing can be written into it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{option} {folder}: can't make this folder ({error.strerror}): give another") from None
    if not os.access(folder, os.W_OK):
        raise ConfigError(f"{option} {folder}: no right to write there: give another folder")
