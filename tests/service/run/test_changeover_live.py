"""`sorter run` as a process: a model activated meanwhile goes to work; killed on probation, the old one comes back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.paths import ROOT

from edge.bundle.archive import pack_bundle, read_bundle
from edge.clock import SystemClock
from edge.config import load_station
from edge.inference.classifier import open_shipped_bundle
from edge.models.install import Device, activate, prove
from edge.models.store import ModelStore
from edge.models.trust import Trust

pytestmark = pytest.mark.realtime


@pytest.fixture
def device(tmp_path: Path) -> Device:
    """The demo station in a folder of its own."""
    demo = (ROOT / "edge" / "stations" / "demo.toml").read_text().splitlines()
    text = "\n".join(line for line in demo if not line.startswith(("state_folder", "shown_photos")))
    settings = "\n[inference]\nallow_unsigned = true\n[page]\nenabled = false\n[journal]\nbatch_ms = 50\n"
    (tmp_path / "station.toml").write_text(f'state_folder = "state"\n{text}{settings}')
    station = load_station(tmp_path / "station.toml")
    return Device(ModelStore(station.state_folder / "models"), station, Trust(allow_unsigned=True), SystemClock())


def push_version(device: Device, version: str) -> str:
    """What a push does on the device, with the shipped model under another version."""
    shipped = open_shipped_bundle()
    members = {name: content for name, content in shipped.members.items() if name not in ("manifest.json", "signature")}
    content = pack_bundle(shipped.manifest.model_copy(update={"version": version}), members)
    bundle = read_bundle(content, version)
    device.store.add(content, prove(bundle, device))
    activate(device, bundle.digest, "pushed")
    return bundle.digest


@contextmanager
def running(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """The controller as systemd would start it; killed in the end if it is still there."""
    process = subprocess.Popen(
        [sys.executable, "-m", "edge", "run", "--station", str(folder / "station.toml")],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_for(process: subprocess.Popen[str], *words: str) -> str:
    """Read the log until a line has all the words."""
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if all(word in line for word in words):
            return line
    pytest.fail("it never said " + " ".join(words) + ":\n" + "".join(said))


def test_changing_over_and_coming_back_after_a_kill(device: Device, tmp_path: Path) -> None:
    with running(tmp_path) as controller:
        wait_for(controller, "-> running")
        newer = push_version(device, "99.0")
        wait_for(controller, "waste-99.0", "at work")
        controller.kill()
    generation = device.store.active()
    assert generation is not None
    assert generation.current == newer
    with running(tmp_path) as controller:
        wait_for(controller, "rolled back", newer[:12])
        wait_for(controller, "-> running")
        controller.terminate()
        assert controller.wait(30) == 0
    generation = device.store.active()
    assert generation is not None
    assert generation.current == open_shipped_bundle().digest
    listed = subprocess.run(
        [sys.executable, "-m", "edge", "journal", "list", "--events", "--json", "--station", tmp_path / "station.toml"],
        capture_output=True, text=True, check=True, cwd=ROOT,
    ).stdout  # fmt: skip
    texts = [event["text"] for event in json.loads(listed) if event["kind"] == "model"]
    assert any("rolled back" in text and "without being asked" in text for text in texts)
