"""The short form of `python benchmarks/fuzz.py`."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter

import pytest
from support.paths import ROOT

pytestmark = pytest.mark.slow


def fuzz(*options: str) -> tuple[subprocess.CompletedProcess[str], dict[str, int]]:
    """Run it; return also how many cases ended how."""
    command = [sys.executable, "benchmarks/fuzz.py", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    return done, {end: int(count) for count, end in re.findall(r"^ +(\d+) (.+)$", done.stdout, re.MULTILINE)}


def test_damaged_and_hostile_input_ends_in_one_sentence() -> None:
    done, ends = fuzz("--cases", "450")
    assert done.returncode == 0, done.stdout + done.stderr
    assert sum(ends.values()) == 450
    for target in ("station", "calibration", "bundle", "manifest", "signature"):
        assert ends[f"{target} refused"] + ends.get(f"{target} taken", 0) == 30
        assert ends[f"{target} refused"] > 20
    for target in ("frame", "journal", "place", "pins", "receive", "request"):
        assert ends[f"{target} taken"] + ends.get(f"{target} cut off", 0) == 30
    for target in ("head", "memory"):
        assert min(ends[f"{target} refused"], ends[f"{target} taken"]) > 5
    assert ends["keys taken"] > 15


def test_a_case_is_repeated_alone_and_ends_as_it_did() -> None:
    _, ends = fuzz("--cases", "3", "--seed", "5", "--targets", "keys")
    alone = [fuzz("--seed", "5", "--case", f"keys:{number}")[1] for number in range(3)]
    assert sum((Counter(end) for end in alone), Counter[str]()) == ends
    assert len(ends) > 1


def test_a_case_that_is_not_over_in_time_is_a_finding_and_the_next_one_goes_on() -> None:
    done, ends = fuzz("--cases", "2", "--targets", "journal", "--limit", "0.001")
    assert done.returncode == 1
    assert ends == {"journal FINDING": 2}
    assert "Timeout (0:00:00.001000)!" in done.stdout
    for number in range(2):
        assert f"python benchmarks/fuzz.py --seed 1 --case journal:{number}\n" in done.stdout


def test_a_target_that_is_none_is_said() -> None:
    done, _ = fuzz("--case", "cows:1")
    assert done.returncode == 2
    assert "expected TARGET:NUMBER, with one of station, " in " ".join(done.stderr.split())
