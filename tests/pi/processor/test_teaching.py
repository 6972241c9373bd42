"""A head that is taught on the Pi's processor beside one that is taught on x86-64 from the same pictures."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from support.paths import ROOT
from support.pi.emulator import Machine
from support.pi.installed import Install

from edge.bundle.archive import open_bundle
from edge.bundle.head import LinearHead, read_head

Proven = Callable[..., None]

PHOTOS = ROOT / "edge" / "simulate" / "photos"
# A label that the model knows, and one that it does not.
LESSON = {"glass": ("glass/glass1*.jpg",), "melon": ("organic/*melon*.jpg", "organic/cantaloupe*.jpg")}
MOST_APART = 8  # of the 32767 steps of a weight: the fit ends where single precision does


def test_a_head_taught_there_and_here_is_the_same(pi: Install, here: Install, tmp_path: Path, proven: Proven) -> None:
    for label, patterns in LESSON.items():
        folder = tmp_path / "lesson" / label
        folder.mkdir(parents=True)
        for photo in [path for pattern in patterns for path in sorted(PHOTOS.glob(pattern))][:6]:
            shutil.copy(photo, folder)
    (report, head), (expected, other) = (_taught(one, tmp_path) for one in (pi, here))
    assert report == expected
    assert report["refused"] is None
    assert head.bias.shape == other.bias.shape
    apart = int(np.abs(head.weights.astype(int) - other.weights).max())
    assert apart <= MOST_APART
    proven(
        "A head taught on aarch64 has the figures, labels and thresholds of one taught on x86-64, and its weights to steps of 32767",
        labels=len(report["labels"]),
        weights=head.weights.size,
        steps_apart=apart,
    )


def _taught(install: Install, folder: Path) -> tuple[dict[str, Any], LinearHead]:
    machine = Machine(install.root(), shared={folder: "/place"})
    made = f"{install.architecture}.sorter"
    words = ["--photos", "/place/lesson", "--name", "place", "--out", f"/place/{made}", "--json"]
    report = json.loads(machine.must(["sorter", "teach", *words], timeout_s=2700))
    head = read_head(open_bundle(folder / made))
    assert isinstance(head, LinearHead)
    return report, head
