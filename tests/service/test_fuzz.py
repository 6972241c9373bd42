"""The short form of `python benchmarks/fuzz.py`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


def test_damaged_and_hostile_input_ends_in_one_sentence() -> None:
    command = [sys.executable, "benchmarks/fuzz.py", "--cases", "280"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    ends = {line.split(maxsplit=1)[1]: int(line.split()[0]) for line in done.stdout.splitlines()[:-1] if line.strip()}
    assert sum(ends.values()) == 280
    for target in ("station", "calibration", "bundle"):
        assert ends[f"{target} refused"] + ends.get(f"{target} taken", 0) == 40
        assert ends[f"{target} refused"] > 30
    for target in ("frame", "journal", "request", "pins"):
        assert ends[f"{target} taken"] + ends.get(f"{target} cut off", 0) == 40
