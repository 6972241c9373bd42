"""The product's wheel, built from what is committed or about to be, and virtual environments with it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from pathlib import Path

from support.paths import ROOT

PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
# What the wheel is made of. Built from a copy: a build folder left in the checkout would bring files that are gone.
PARTS = ("pyproject.toml", "README.md", "LICENSE", "edge", "training", "converter", "systemd")


def build_wheel(folder: Path) -> Path:
    """Build the wheel below `folder`."""
    source = folder / "source"
    source.mkdir(parents=True)
    for name in PARTS:
        part = ROOT / name
        if part.is_dir():
            shutil.copytree(part, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(part, source)
    subprocess.run([*PIP, "wheel", "--no-deps", "-w", str(folder), str(source)], check=True, capture_output=True)
    return next(folder.glob("edge_sorter-*.whl"))


def make_venv(folder: Path, *wanted: str) -> Path:
    """Make a virtual environment, let pip install what is wanted, and return the environment's Python."""
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    subprocess.run([*PIP, "--python", str(python), "install", *wanted], check=True, capture_output=True)
    return python
