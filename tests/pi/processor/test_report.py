"""What the owner of the first Pi is asked to send, written on a Pi's processor."""

from __future__ import annotations

import json
import os
from collections.abc import Callable

from support.pi.emulator import Machine
from support.pi.installed import Install

Proven = Callable[..., None]

WRITE = "sorter doctor --report /root/report.json >&2; cat /root/report.json"


def test_the_report_is_written_with_what_was_measured(proven: Proven) -> None:
    report = json.loads(Machine(Install("trixie").root()).must(["sh", "-c", WRITE], timeout_s=900))
    assert report["machine"]["architecture"] == "aarch64"
    assert report["versions"]["system"] == "Debian GNU/Linux 13 (trixie)"
    model, timer = report["timings"]["model"], report["timings"]["timer"]
    assert model["golden"]["exact"]
    assert model["golden"]["vectors"] > 0
    assert model["invoke_ms"]["runs"] > 0
    assert timer["late_us"]["runs"] > 0
    assert os.uname().nodename not in json.dumps(report).split('"')
    proven(
        "`sorter doctor --report` on aarch64 finds the golden vectors exact to the bit and writes what it measured",
        golden_photos_and_vectors=model["golden"]["vectors"] + model["golden"]["photos"],
        inferences=model["invoke_ms"]["runs"],
    )
