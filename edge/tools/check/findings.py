"""One line of `sorter doctor`, and the questions that it puts to a process of its own: what is broken may kill it."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from edge.system.processes import own_command, own_environment

PROBE_S = 60.0

Ask = Callable[..., "Answer"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; `fix` is a command or a step, empty where nothing needs it."""

    name: str
    status: Literal["ok", "warn", "fail"]
    text: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a probe said, or the reason why it did not."""

    values: dict[str, Any]
    error: str = ""


def ask(question: str, subject: str = "", limit_s: float = PROBE_S, module: str = "edge.tools.check.probe") -> Answer:
    """Put a question to a module of questions in a child process."""
    command = [*own_command(module), question, subject]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=limit_s, check=False, env=own_environment()
        )
    except subprocess.TimeoutExpired:
        return Answer({}, f"no answer within {limit_s:g} s")
    if done.returncode < 0:
        return Answer({}, f"the process was killed by {signal.Signals(-done.returncode).name}")
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        return Answer({}, lines[-1] if lines else f"exit code {done.returncode}")
    return Answer(json.loads(done.stdout.splitlines()[-1]))
