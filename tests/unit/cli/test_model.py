"""`sorter model` and `sorter key` as a person uses them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from edge.bundle.archive import open_bundle
from edge.cli import root
from edge.errors import BundleError, ConfigError, StoreError
from edge.inference.classifier import open_shipped_bundle
from edge.models.store import ModelStore

STATION = """
name = "line-1"
kind = "bin"
state_folder = "state"
camera = {type = "folder", path = "."}
actuators = [{name = "flap", type = "digital", pin = 17}]
bins = [
  {name = "paper", labels = ["paper"], actuator = "flap"},
  {name = "residual", labels = ["glass", "metal"]},
]
"""


class Bench:
    """A device with a station file, a signing key that it trusts, and bundles signed with it."""

    def __init__(self, folder: Path, tiny_bundle: Callable[..., bytes]) -> None:
        self.folder = folder
        self._tiny_bundle = tiny_bundle
        (folder / "station.toml").write_text(STATION)
        (folder / "keys").mkdir()
        self.run("key", "new", folder / "maker")
        (folder / "maker.pub").rename(folder / "keys" / "maker.pub")
        self.store = ModelStore(folder / "state" / "models")

    def run(self, *arguments: object) -> Any:
        return CliRunner().invoke(root, [str(argument) for argument in arguments])

    def model(self, *arguments: object) -> Any:
        return self.run("model", *arguments, "--station", self.folder / "station.toml")

    def bundle(self, version: str, sign: bool = True) -> Path:
        path = self.folder / f"tiny-{version}.sorter"
        path.write_bytes(self._tiny_bundle(version=version))
        if sign:
            assert self.run("key", "sign", path, "--key", self.folder / "maker").exit_code == 0
        return path


@pytest.fixture
def bench(tmp_path: Path, tiny_bundle: Callable[..., bytes]) -> Bench:
    return Bench(tmp_path, tiny_bundle)


def test_from_a_key_to_a_model_at_work_and_back(bench: Bench) -> None:
    assert "installed tiny-1.0" in bench.model("install", bench.bundle("1.0"), "--activate").stdout
    assert bench.model("install", bench.bundle("1.1")).exit_code == 0
    result = bench.model("activate", "1.1")
    assert "current is tiny-1.1" in result.stdout
    assert "on probation; previous is tiny-1.0" in result.stdout
    assert "current is tiny-1.0" in bench.model("rollback").stdout
    listed = json.loads(bench.model("list", "--json").stdout)
    states = [(row["title"], row["state"]) for row in listed if row["name"] == "tiny"]
    assert states == [("tiny-1.0", "current"), ("tiny-1.1", "previous")]
    assert all(row["signer"].startswith("SHA256:") for row in listed if row["name"] == "tiny")
    assert "tiny-1.1" in bench.model("list").stdout
    assert json.loads(bench.model("show", "1.0", "--json").stdout)["state"] == "current"
    assert "signed by" in bench.model("show", "tiny-1.1").stdout
    assert "all whole" in bench.model("verify").stdout


def test_an_unsigned_bundle_needs_the_stations_leave(bench: Bench) -> None:
    path = bench.bundle("1.0", sign=False)
    result = bench.model("install", path)
    assert isinstance(result.exception, BundleError)
    assert "allow_unsigned = true" in str(result.exception)
    station = bench.folder / "station.toml"
    station.write_text(station.read_text() + "inference = {allow_unsigned = true}\n")
    assert bench.model("install", path).exit_code == 0


def test_a_station_that_names_its_own_bundle_says_so(bench: Bench) -> None:
    bench.model("install", bench.bundle("1.0"))
    station = bench.folder / "station.toml"
    station.write_text(station.read_text() + f"inference = {{bundle = '{bench.folder / 'tiny-1.0.sorter'}'}}\n")
    assert "would never be used" in str(bench.model("activate", "1.0").exception)


def test_an_older_version_has_to_be_asked_for(bench: Bench) -> None:
    bench.model("install", bench.bundle("1.10"), "--activate")
    result = bench.model("install", bench.bundle("1.9"), "--activate")
    assert "1.10 of tiny or newer, got 1.9" in str(result.exception)
    assert bench.model("install", bench.bundle("1.9"), "--activate", "--allow-downgrade").exit_code == 0


def test_a_damaged_store_is_reported_with_an_exit_code(bench: Bench) -> None:
    bench.model("install", bench.bundle("1.0"), "--activate")
    generation = bench.store.active()
    assert generation is not None
    path = bench.store.bundle_path(generation.current)
    path.chmod(0o644)
    path.write_bytes(b"rot")
    result = bench.model("verify", "--json")
    assert result.exit_code == StoreError.exit_code
    assert len(json.loads(result.stdout)) == 1


def test_pruning_names_what_went(bench: Bench) -> None:
    for version in ("1.0", "1.1", "1.2", "1.3"):
        bench.model("install", bench.bundle(version), "--activate")
    result = bench.model("prune", "--keep", "0")
    assert "removed 3" in result.stdout  # 1.0, 1.1 and the shipped one that 1.0 could have come back to
    assert len(bench.store.models()) == 2


def test_a_shadow_is_chosen_and_dismissed(bench: Bench) -> None:
    bench.model("install", bench.bundle("1.0"), "--activate")
    path = bench.bundle("1.1")
    bench.model("install", path)
    assert isinstance(bench.model("compare").exception, StoreError)
    assert "tiny-1.1 looks on" in bench.model("shadow", "1.1").stdout
    assert bench.store.shadow() == open_bundle(path).digest
    assert isinstance(bench.model("compare").exception, StoreError)
    bench.model("prune", "--keep", "0")
    assert bench.store.holds(open_bundle(path).digest)
    assert bench.model("shadow").exit_code == 0
    assert bench.store.shadow() is None


def test_keys_are_never_overwritten_and_listed_by_fingerprint(bench: Bench) -> None:
    assert isinstance(bench.run("key", "new", bench.folder / "maker").exception, ConfigError)
    listed = bench.run("key", "list", bench.folder / "keys").stdout.strip()
    assert listed.startswith("SHA256:")


def shipped_bench(bench: Bench) -> Bench:
    labels = open_shipped_bundle().manifest.labels
    text = STATION.replace('["glass", "metal"]', json.dumps([label for label in labels if label != "paper"]))
    (bench.folder / "station.toml").write_text(text)
    return bench


def test_the_shipped_model_is_listed_and_shown_while_it_is_at_work(bench: Bench) -> None:
    bench, shipped = shipped_bench(bench), open_shipped_bundle()
    (listed,) = json.loads(bench.model("list", "--json").stdout)
    assert listed["digest"] == shipped.digest
    assert (listed["title"], listed["state"], listed["installed"]) == (shipped.manifest.title, "current", "shipped")
    table = bench.model("list").stdout
    assert shipped.manifest.title in table
    assert "shipped" in table
    for words in ([], [shipped.manifest.title], [shipped.manifest.version], [shipped.digest[:12]]):
        shown = bench.model("show", *words)
        assert shown.exit_code == 0, shown.exception
        assert "current" in shown.stdout
        assert shipped.digest[:20] in shown.stdout
        told = json.loads(bench.model("show", *words, "--json").stdout)
        assert told["state"] == "current"
        assert told["manifest"]["name"] == shipped.manifest.name


def test_show_without_a_name_means_the_model_at_work(bench: Bench) -> None:
    bench.model("install", bench.bundle("1.0"), "--activate")
    bench.model("install", bench.bundle("1.1"))
    assert json.loads(bench.model("show", "--json").stdout)["evidence"]["title"] == "tiny-1.0"
    listed = json.loads(bench.model("list", "--json").stdout)
    assert [row["title"] for row in listed if row["state"] == "current"] == ["tiny-1.0"]


def test_a_bundle_that_the_station_file_names_is_the_one_at_work(bench: Bench) -> None:
    bench.model("install", bench.bundle("1.0"), "--activate")
    station = bench.folder / "station.toml"
    path = bench.bundle("1.1")
    station.write_text(station.read_text() + f"inference = {{bundle = '{path}'}}\n")
    rows = {row["title"]: row for row in json.loads(bench.model("list", "--json").stdout)}
    assert rows["tiny-1.1"]["installed"] == "named by the station file"
    assert json.loads(bench.model("show", "--json").stdout)["evidence"]["title"] == "tiny-1.1"


def test_a_model_that_is_not_there_names_those_that_are(bench: Bench) -> None:
    bench.model("install", bench.bundle("1.0"))
    assert "installed: tiny-1.0" in str(bench.model("activate", "9.9").exception)
