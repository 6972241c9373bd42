"""A simulated station in a place that its model never saw is taught ten items a label, and sorts more of what it never saw."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from support.paths import ROOT


@pytest.mark.slow
def test_ten_items_a_label_gain_twenty_points_of_recovery_at_the_purity_that_is_promised() -> None:
    # One of the benchmark's six rounds: each takes half a minute of processor time.
    command = [sys.executable, "benchmarks/teaching.py", "--rounds", "1", "--json"]
    one_thread = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=800, env=one_thread)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    base, taught = told["all"]["base"], told["all"]["taught"]
    assert [one["refusal"] for one in told["rounds"]] == [""]
    # At the best threshold for 95 %, which takes the truth to know. Measured: 14 -> 43 %.
    assert taught["recovery_at_95"] >= base["recovery_at_95"] + 0.20
    # At its own thresholds, from what it was shown, it keeps the purity that the base does not: 89.5 -> 100 %.
    assert taught["purity"] >= 0.95 > base["purity"]
    assert taught["recovery"] >= base["recovery"]
