"""What a command of minutes says while it works, and what it keeps from the terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import numpy as np
import pytest

from training.fitting.linear_probe import fit_linear_probe

PROGRAM = """
import logging, os
from training.progress import progress
with progress() as show:
    show("loading", 0, 0)
    os.write(2, b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\\n")
    for done in range(0, 401, 7):
        show("views", done, 400)
    logging.getLogger("training.fitting.train").info("half of it is done, and a line of a log is not broken where a terminal of eighty columns would end")
"""


def run(environment: dict[str, str], stderr: int) -> str:
    said = subprocess.run([sys.executable, "-c", PROGRAM], stderr=stderr, text=True, check=True, env=environment)
    return said.stderr or ""


def test_a_log_gets_a_line_when_something_begins_and_one_a_tenth() -> None:
    lines = run({**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"}, subprocess.PIPE).splitlines()
    assert lines[:3] == ["loading ...", "views ...", "views: 42 of 400"]
    assert len(lines) == 12
    assert lines[-1].endswith("where a terminal of eighty columns would end")


def test_what_native_libraries_write_is_shown_on_demand_only() -> None:
    assert "XNNPACK" not in run(dict(os.environ), subprocess.PIPE)
    assert "XNNPACK" in run({**os.environ, "SORTER_NATIVE_LOGS": "1"}, subprocess.PIPE)


def test_a_quick_command_writes_its_answer_alone_into_a_log() -> None:
    quick = PROGRAM.replace("progress()", "progress(600.0)")
    said = subprocess.run([sys.executable, "-c", quick], stderr=subprocess.PIPE, text=True, check=True).stderr
    assert said.splitlines() == [
        "half of it is done, and a line of a log is not broken where a terminal of eighty columns would end"
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="needs a pseudo-terminal")
def test_a_terminal_gets_bars_that_begin_at_once() -> None:
    ours, theirs = pty.openpty()
    run({**os.environ, "TERM": "xterm"}, theirs)
    shown = os.read(ours, 1 << 16).decode()
    os.close(theirs)
    os.close(ours)
    assert "loading" in shown.split("views")[0]
    assert "XNNPACK" not in shown
    assert "/400" in shown


def test_the_first_guess_says_nothing_of_how_far_it_came(recwarn: pytest.WarningsRecorder) -> None:
    rng = np.random.default_rng(0)
    features = 100 * rng.gamma(0.5, 1, (200, 100)) * np.logspace(-3, 1, 100)  # some loud, most faint: slow to converge
    fit_linear_probe(features, rng.integers(0, 7, 200), np.ones(200), 7)
    assert [str(warning.message)[:40] for warning in recwarn] == []
