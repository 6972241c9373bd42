"""The commands of `docs/install.md`, run on the Pi's processor, and what `sorter doctor` says then."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from support.pi.emulator import Machine
from support.pi.installed import Install

Proven = Callable[..., None]

MOST_MB = 260
# What only a Pi with its camera and its pins has.
NOT_HERE = {"camera", "gpio", "date"}


def test_the_documented_commands_install_wheels_only(pi: Install, proven: Proven) -> None:
    said = pi.said()
    assert "Successfully installed" in said
    built = [line for line in said.splitlines() if re.search(r"\.tar\.gz|Building wheel", line)]
    assert not built, "a Pi would have to compile these"
    taken = re.findall(r"(?:Downloading|Using cached) opencv_python_headless\S+", said)
    assert len(taken) == 1, f"OpenCV is 30 to 50 MB; pip took {taken}"
    size = pi.megabytes("--apparent-size")
    assert size <= MOST_MB
    proven(
        "The documented commands install the product on 64-bit Raspberry Pi OS from wheels alone, OpenCV's fetched once",
        files_mib=size,
        in_blocks_of_this_disk_mib=pi.megabytes(),
    )


def test_doctor_finds_a_processor_that_can_sort(pi: Install, proven: Proven) -> None:
    report = json.loads(Machine(pi.root()).must(["sorter", "doctor", "--json"], timeout_s=1800))
    found = {finding["name"]: finding for finding in report["findings"]}
    assert "aarch64" in found["python"]["text"]
    assert {name for name, finding in found.items() if finding["status"] != "ok"} <= NOT_HERE
    assert "golden photos and vectors match" in found["model"]["text"]
    assert report["ready"]
    proven(
        "`sorter doctor` finds nothing wrong on aarch64, the golden photos of the model included",
        libraries=found["numpy, opencv"]["text"],
    )
