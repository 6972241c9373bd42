"""The short form of the hall: a few stations on a real Prometheus and a real broker. Alerts need minutes: test_alerts.py."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support.paths import ROOT

pytestmark = pytest.mark.realtime


def test_a_few_stations_are_asked_shown_and_heard_and_one_that_goes_is_missed() -> None:
    command = [sys.executable, "benchmarks/hall.py", "--stations", "4", "--minutes", "0.25", "--every", "1s"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("nothing was missed\n")
    assert done.stderr == ""
