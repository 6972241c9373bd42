"""A newer edge-sorter comes with another model: what a station was taught on the one before goes on, and can be taught more.

The package is a copy, in which an update does what `pip install --upgrade` does: the shipped model goes, another comes.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.drawn_place import ITEMS, write_place
from support.paths import ROOT
from support.taught import headed_bundle, taught_bundle

from edge.bundle.archive import Bundle, bundle_bytes, read_bundle
from edge.bundle.signature import public_line

pytestmark = pytest.mark.slow

HOW_MANY = ["--items", str(ITEMS), "--yes", "--json"]


@dataclass
class Installed:
    """An installation of the package beside a station, which takes signed models only."""

    folder: Path
    station: Path

    def ship(self, bundle: Bundle) -> None:
        """Install a version that comes with this model."""
        models = self.folder / "edge" / "model"
        for old in models.glob("*.sorter"):
            old.unlink()
        name = f"{bundle.manifest.title}.sorter"
        (models / name).write_bytes(bundle_bytes(bundle))
        with (models / "digests.txt").open("a") as every:
            every.write(f"{bundle.digest}  {name}\n")

    def sorter(self, *arguments: object) -> str:
        command = [sys.executable, "-m", "edge", *map(str, arguments), "--station", str(self.station)]
        environment = {**os.environ, "PYTHONPATH": str(self.folder)}
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=600, check=False, env=environment, cwd=self.folder
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def ask(self, *arguments: object) -> Any:
        return json.loads(self.sorter(*arguments))


@pytest.fixture
def shipped(tiny_bundle: Callable[..., bytes]) -> Bundle:
    return headed_bundle(tiny_bundle)


@pytest.fixture
def installed(tmp_path: Path, tiny_bundle: Callable[..., bytes], shipped: Bundle) -> Installed:
    station, _ = write_place(tmp_path, tiny_bundle)
    station.write_text(station.read_text().replace("allow_unsigned = true", "allow_unsigned = false"))
    shutil.copytree(ROOT / "edge", tmp_path / "package" / "edge", ignore=shutil.ignore_patterns("__pycache__"))
    installed = Installed(tmp_path / "package", station)
    installed.ship(shipped)
    return installed


def test_a_taught_head_works_on_and_is_taught_more_when_another_model_ships(
    installed: Installed, shipped: Bundle, tiny_bundle: Callable[..., bytes]
) -> None:
    assert installed.ask("teach", *HOW_MANY)["installed"] == "tiny-2.0+belt.1"
    before = installed.ask("simulate", "--minutes", "1", "--json")
    installed.ship(headed_bundle(tiny_bundle, version="3.0"))
    assert installed.ask("simulate", "--minutes", "1", "--json") == before
    again = installed.ask("teach", "--label", "cup", "--items", ITEMS + 2, "--yes", "--json")
    assert (again["base"], again["installed"]) == ("tiny-2.0", "tiny-2.0+belt.2")
    assert installed.ask("model", "show", "--json")["evidence"]["base"] == shipped.digest
    installed.sorter("model", "rollback")
    assert installed.ask("model", "show", "--json")["evidence"]["title"] == "tiny-2.0+belt.1"
    installed.sorter("model", "verify")


def test_a_head_that_was_installed_for_later_is_put_to_work_when_another_model_ships(
    installed: Installed, shipped: Bundle, tiny_bundle: Callable[..., bytes]
) -> None:
    maker = Ed25519PrivateKey.generate()
    keys = installed.folder / "keys"
    keys.mkdir()
    (keys / "maker.pub").write_text(public_line(maker.public_key()) + "\n")
    head = taught_bundle(shipped, ("paper", "glass", "metal", "cup"), key=maker, station="belt")
    file = installed.folder / "head.sorter"
    file.write_bytes(bundle_bytes(head))
    installed.sorter("model", "install", file, "--keys", keys)
    installed.ship(headed_bundle(tiny_bundle, version="3.0"))
    installed.station.write_text(installed.station.read_text().replace("[inference]", f'[inference]\nkeys = "{keys}"'))
    installed.sorter("model", "activate", "tiny-2.0+belt.1")
    assert installed.ask("teach", *HOW_MANY)["base"] == "tiny-2.0"
    assert read_bundle(file.read_bytes(), "head").digest == head.digest
