"""`sorter receive` as a process of its own, spoken to over stdin and stdout as sshd does it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.paths import ROOT

from edge.bundle.archive import read_bundle

Event = dict[str, Any]


def push(
    station: Path,
    content: bytes,
    before: tuple[str, ...] = (),
    on_send: Callable[[], object] = lambda: None,
    limit: Callable[[], object] | None = None,
    **environment: str,
) -> list[Event]:
    """Push a bundle to the station's receiver and return what it said until it ended, or was killed.

    Args:
        station: the station file.
        content: the bundle's bytes.
        before: words before the command, as of strace.
        on_send: called when it has asked for the file, before the first byte.
        limit: called in the new process before it becomes the receiver.
        environment: more variables for it.
    """
    process = subprocess.Popen(
        [*before, sys.executable, "-m", "edge", "receive", "--station", str(station)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, preexec_fn=limit,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **environment},
    )  # fmt: skip
    request = {"protocol": 1, "ask": "push", "digest": read_bundle(content, "x").digest, "size": len(content)}
    assert process.stdin is not None
    assert process.stdout is not None
    events: list[Event] = []
    try:
        process.stdin.write(json.dumps(request).encode() + b"\n")
        process.stdin.flush()
        for line in process.stdout:
            events.append(json.loads(line))
            if events[-1]["event"] == "send":
                on_send()
                process.stdin.write(content[events[-1]["offset"] :])
                process.stdin.flush()
    except BrokenPipeError:  # it was killed or refused; what it said is read below
        events += [json.loads(line) for line in process.stdout]
    _, said = process.communicate()
    assert b"Traceback" not in said, said.decode()
    return events
