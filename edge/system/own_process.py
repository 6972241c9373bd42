"""Another process of this program: it finds its modules where this one found them, and never where somebody stands."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def own_command(module: str, *options: str) -> tuple[str, ...]:
    """Return what runs a module of this program.

    Without -P Python would import from the working folder before anything else: whoever may write there would be run as
    whoever types `sudo sorter ...` in it.
    """
    return (sys.executable, "-P", *options, "-m", module)


def own_environment(**more: str) -> dict[str, str]:
    """Return the environment for it: this process's, its search path, and more."""
    folders = [str(Path(__file__).resolve().parents[2]), *filter(None, sys.path)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(folders), **more}
